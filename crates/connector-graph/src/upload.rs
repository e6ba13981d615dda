//! Uploads: one PUT for an empty file, an upload session for everything else.
//!
//! A session carries the file's times, so that setting them does not make a second version, and addresses the target
//! by parent id and name, so that a long path never enters an address.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use holdfast_connector::{ConnectorError, ContentStream, DriveItem, Times, Upload, UploadTarget};
use holdfast_domain::DriveId;
use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::client::{Call, Client, Failure};
use crate::parse;

/// Bytes in a fragment: a multiple of 320 KiB.
const FRAGMENT_BYTES: usize = 10 << 20;
const MEMORY_UNIT: usize = 1 << 20;
/// All fragments in hand together, in units of `MEMORY_UNIT`: four whole ones, or many small files.
pub(crate) const MEMORY_UNITS: usize = 40;
/// The largest file that the service takes.
const LARGEST_BYTES: u64 = 250 << 30;
/// How often one upload asks the session where to go on.
const RESUMES: u32 = 5;
/// One name in an address.
pub(crate) const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

pub(crate) fn file_system_info(times: Times) -> Value {
    json!({"createdDateTime": times.created.to_string(), "lastModifiedDateTime": times.modified.to_string()})
}

fn item_path(drive: &DriveId, target: UploadTarget<'_>) -> String {
    match target {
        UploadTarget::Existing { item } => format!("v1.0/drives/{drive}/items/{item}"),
        UploadTarget::Child { parent, name } | UploadTarget::NewChild { parent, name } => {
            format!("v1.0/drives/{drive}/items/{parent}:/{}:", utf8_percent_encode(name, SEGMENT))
        }
    }
}

/// The service decides when the file gets its name, which for a session is after its last byte.
fn conflict_behavior(target: UploadTarget<'_>) -> &'static str {
    match target {
        UploadTarget::NewChild { .. } => "fail",
        UploadTarget::Child { .. } | UploadTarget::Existing { .. } => "replace",
    }
}

pub(crate) async fn upload(
    client: &Client,
    upload: Upload<'_>,
) -> Result<DriveItem, ConnectorError> {
    if upload.size > LARGEST_BYTES {
        return Err(ConnectorError::Refused("maxFileSizeExceeded".to_owned()));
    }
    let path = item_path(upload.drive, upload.target);
    if upload.size == 0 {
        return upload_empty(client, &upload, &path).await;
    }
    let mut item = json!({"@microsoft.graph.conflictBehavior": conflict_behavior(upload.target), "fileSystemInfo": file_system_info(upload.times)});
    if let UploadTarget::Child { name, .. } | UploadTarget::NewChild { name, .. } = upload.target {
        item["name"] = json!(name);
    }
    let session = client
        .json(
            Call::new(Method::POST, client.url(&format!("{path}/createUploadSession")))
                .json(&json!({"item": item})),
        )
        .await?;
    let url = parse::text(&session, "uploadUrl")?;
    // A file waits for memory of its own size, or of its fragments'.
    let memory = u32::try_from(fragment_bytes(upload.size).div_ceil(MEMORY_UNIT)).unwrap_or(1);
    let _memory = client.upload_memory.acquire_many(memory).await.expect("it is never closed");
    match send_fragments(client, &upload, &url).await {
        Ok(item) => Ok(item),
        Err(error) => {
            // An abandoned session would hold the name.
            drop(client.send(Call::new(Method::DELETE, &url).without_token()).await);
            Err(error)
        }
    }
}

/// A session cannot carry no bytes.
async fn upload_empty(
    client: &Client,
    upload: &Upload<'_>,
    path: &str,
) -> Result<DriveItem, ConnectorError> {
    let conflict = conflict_behavior(upload.target);
    let url = client.url(&format!("{path}/content?@microsoft.graph.conflictBehavior={conflict}"));
    let made = client
        .json(Call::new(Method::PUT, url).header("content-type", "application/octet-stream"))
        .await?;
    let id = parse::text(&made, "id")?;
    let url = client.url(&format!("v1.0/drives/{}/items/{id}", upload.drive));
    let call = Call::new(Method::PATCH, url)
        .json(&json!({"fileSystemInfo": file_system_info(upload.times)}));
    parse::item(upload.drive, &client.json(call).await?)
}

async fn send_fragments(
    client: &Client,
    upload: &Upload<'_>,
    url: &str,
) -> Result<DriveItem, ConnectorError> {
    let mut content = Fragments::new(upload.content.open(0));
    let mut offset = 0;
    let mut resumes = 0;
    while offset < upload.size {
        let fragment = content.next(upload.size - offset).await?;
        let end = offset + fragment.len() as u64;
        let call = Call { body: fragment, ..Call::new(Method::PUT, url) }
            .without_token()
            .header("content-range", format!("bytes {offset}-{}/{}", end - 1, upload.size));
        let refusal = match client.json(call).await {
            Ok(answer) if end == upload.size => return parse::item(upload.drive, &answer),
            Ok(_) => {
                offset = end;
                continue;
            }
            Err(Failure::Refused(refusal))
                if refusal.status == StatusCode::RANGE_NOT_SATISFIABLE && resumes < RESUMES =>
            {
                refusal
            }
            Err(failure) => return Err(failure.into()),
        };
        // The service has other bytes than we think (a fragment whose answer was lost): it knows where to go on.
        resumes += 1;
        tracing::info!(code = refusal.inner_code, "an upload goes on where the service says");
        offset = next_offset(&client.json(Call::new(Method::GET, url).without_token()).await?)?;
        content = Fragments::new(upload.content.open(offset));
    }
    Err(ConnectorError::Protocol("an upload ended without its item".to_owned()))
}

fn next_offset(status: &Value) -> Result<u64, ConnectorError> {
    let range = status["nextExpectedRanges"][0].as_str().unwrap_or_default();
    range
        .split('-')
        .next()
        .and_then(|start| start.parse().ok())
        .ok_or_else(|| ConnectorError::Protocol("nextExpectedRanges is missing".to_owned()))
}

/// Cuts a stream into fragments.
struct Fragments {
    content: ContentStream,
    /// What the last piece had beyond its fragment.
    left: Bytes,
}

impl Fragments {
    fn new(content: ContentStream) -> Self {
        Self { content, left: Bytes::new() }
    }

    /// The next fragment; fails when the content ends before `remaining` bytes.
    async fn next(&mut self, remaining: u64) -> Result<Bytes, ConnectorError> {
        let wanted = fragment_bytes(remaining);
        // Exactly as long as it will be: growing would take half as much again.
        let mut fragment = BytesMut::with_capacity(wanted);
        while fragment.len() < wanted {
            if self.left.is_empty() {
                self.left = match self.content.next().await {
                    Some(bytes) => bytes?,
                    None => {
                        return Err(ConnectorError::Source(
                            "the content is shorter than its size".to_owned(),
                        ));
                    }
                };
            }
            let taken = self.left.split_to(self.left.len().min(wanted - fragment.len()));
            fragment.extend_from_slice(&taken);
        }
        Ok(fragment.freeze())
    }
}

fn fragment_bytes(remaining: u64) -> usize {
    usize::try_from(remaining).unwrap_or(FRAGMENT_BYTES).min(FRAGMENT_BYTES)
}
