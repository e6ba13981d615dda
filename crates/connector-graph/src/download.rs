//! Content of a file: fetched by a short-lived address, resumed when the connection breaks, checked at the end.

use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{StreamExt, stream};
use holdfast_connector::{ConnectorError, ContentStream, DriveItem, FileFacts, ItemFacts};
use holdfast_domain::QuickXorHasher;
use http::{Method, Response, StatusCode};

use crate::client::{Call, Client, Failure};
use crate::parse;

/// How often a broken transfer of one file goes on where it broke.
const RESUMES: u32 = 3;
pub(crate) const ITEM_SELECT: &str = "id,name,eTag,parentReference,fileSystemInfo,file,folder,package,root,size,shared,malware,deleted,@microsoft.graph.downloadUrl";

struct Transfer {
    client: Arc<Client>,
    item: DriveItem,
    facts: FileFacts,
    body: BodyDataStream,
    hasher: QuickXorHasher,
    received: u64,
    resumes: u32,
}

/// Opens `item`'s content. The stream ends with an error unless length and hash are those of `item`.
pub(crate) async fn read(
    client: Arc<Client>,
    item: &DriveItem,
) -> Result<ContentStream, ConnectorError> {
    let ItemFacts::File(facts) = &item.facts else {
        return Err(ConnectorError::Protocol("a folder has no content".to_owned()));
    };
    if facts.malware {
        return Err(ConnectorError::Withheld("malware".to_owned()));
    }
    if facts.size == 0 {
        return Ok(stream::empty().boxed());
    }
    let mut facts = facts.clone();
    let response = fetch(&client, item, &mut facts, 0).await?;
    let transfer = Transfer {
        client,
        item: item.clone(),
        facts,
        body: response.into_body().into_data_stream(),
        hasher: QuickXorHasher::new(),
        received: 0,
        resumes: 0,
    };
    Ok(stream::try_unfold(transfer, Transfer::next).boxed())
}

impl Transfer {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, ConnectorError> {
        loop {
            match self.body.next().await {
                Some(Ok(bytes)) => {
                    self.received += bytes.len() as u64;
                    if self.received > self.facts.size {
                        return Err(ConnectorError::ContentMismatch(format!(
                            "more than the {} bytes announced",
                            self.facts.size
                        )));
                    }
                    self.hasher.update(&bytes);
                    return Ok(Some((bytes, self)));
                }
                None if self.received == self.facts.size => {
                    self.verify()?;
                    return Ok(None);
                }
                // Cut short: go on where it broke. A file that changed meanwhile fails the hash in the end.
                Some(Err(_)) | None => {
                    if self.resumes == RESUMES {
                        return Err(ConnectorError::ContentMismatch(format!(
                            "{} of {} bytes",
                            self.received, self.facts.size
                        )));
                    }
                    self.resumes += 1;
                    let response =
                        fetch(&self.client, &self.item, &mut self.facts, self.received).await?;
                    self.body = response.into_body().into_data_stream();
                }
            }
        }
    }

    fn verify(&self) -> Result<(), ConnectorError> {
        match &self.facts.quick_xor_hash {
            Some(announced) if *announced != STANDARD.encode(self.hasher.finish()) => {
                Err(ConnectorError::ContentMismatch("quickXorHash differs".to_owned()))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Status is checked before a byte is taken: an error page never becomes content.
async fn fetch(
    client: &Client,
    item: &DriveItem,
    facts: &mut FileFacts,
    offset: u64,
) -> Result<Response<Body>, ConnectorError> {
    if let Some(url) = facts.download_url.take() {
        match get(client, url, offset).await {
            Err(Failure::Refused(refusal))
                if matches!(
                    refusal.status,
                    StatusCode::UNAUTHORIZED
                        | StatusCode::FORBIDDEN
                        | StatusCode::NOT_FOUND
                        | StatusCode::GONE
                ) => {}
            answered => return Ok(answered?),
        }
    }
    // No address, or an expired one: the item gives a fresh one, and tells whether it is still the same file.
    let url =
        client.url(&format!("v1.0/drives/{}/items/{}?$select={ITEM_SELECT}", item.drive, item.id));
    let fresh = parse::item(&item.drive, &client.json(Call::new(Method::GET, url)).await?)?;
    let ItemFacts::File(fresh) = fresh.facts else { return Err(ConnectorError::Changed) };
    if (fresh.size, &fresh.quick_xor_hash) != (facts.size, &facts.quick_xor_hash) {
        return Err(ConnectorError::Changed);
    }
    if fresh.malware {
        return Err(ConnectorError::Withheld("malware".to_owned()));
    }
    let url = fresh
        .download_url
        .ok_or_else(|| ConnectorError::Protocol("no download address".to_owned()))?;
    Ok(get(client, url, offset).await?)
}

async fn get(client: &Client, url: String, offset: u64) -> Result<Response<Body>, Failure> {
    let call = Call::new(Method::GET, url).without_token();
    if offset == 0 {
        return client.send(call).await;
    }
    let response = client.send(call.header("range", format!("bytes={offset}-"))).await?;
    if response.status() == StatusCode::PARTIAL_CONTENT {
        Ok(response)
    } else {
        Err(Failure::Other(ConnectorError::ContentMismatch(
            "the service does not resume".to_owned(),
        )))
    }
}
