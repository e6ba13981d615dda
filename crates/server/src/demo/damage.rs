//! What ransomware does to a site: files overwritten and renamed, some deleted, folders too, a note left behind.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use holdfast_connector::{
    Connector, ConnectorError, ContentSource, ContentStream, ItemUpdate, Times, Upload,
    UploadTarget,
};
use holdfast_domain::{DriveId, Entropy, ItemId, SystemEntropy, Timestamp};

use super::library::Listed;

const AT_ONCE: usize = 16;
/// Encrypted files are shown by their beginning: enough to make every byte of the original unreadable.
const OVERWRITTEN_BYTES: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Damage {
    pub(super) overwritten: u64,
    pub(super) renamed: u64,
    pub(super) deleted: u64,
}

struct Noise(Bytes);

impl ContentSource for Noise {
    fn open(&self, offset: u64) -> ContentStream {
        let rest = self.0.slice(usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len())..);
        stream::iter([Ok(rest)]).boxed()
    }
}

/// Of ten files, seven are overwritten and renamed, two only renamed, one is deleted. Every seventh folder gets another
/// name, every eleventh is deleted with all in it.
pub(super) async fn damage(
    connector: &dyn Connector,
    drive: &DriveId,
    root: &ItemId,
    items: &BTreeMap<String, Listed>,
    now: Timestamp,
) -> Result<Damage, ConnectorError> {
    let mut noise = vec![0; OVERWRITTEN_BYTES];
    SystemEntropy.fill(&mut noise);
    let noise = Noise(noise.into());
    let times = Times { created: now, modified: now };
    let mut damage = Damage::default();
    let files: Vec<&Listed> = items.values().filter(|item| item.is_file()).collect();
    let mut done = stream::iter(
        files
            .into_iter()
            .enumerate()
            .map(|(number, file)| damage_file(connector, drive, file, number, &noise, times)),
    )
    .buffer_unordered(AT_ONCE);
    while let Some(one) = done.try_next().await? {
        damage.overwritten += u64::from(one.0);
        damage.renamed += u64::from(one.1);
        damage.deleted += u64::from(one.2);
    }
    drop(done);
    let folders: Vec<&Listed> = items.values().filter(|item| !item.is_file()).collect();
    for (number, folder) in folders.into_iter().enumerate() {
        if number % 11 == 10 {
            connector.delete_item(drive, &folder.item.id).await?;
            damage.deleted += 1;
        } else if number % 7 == 6 {
            match connector.update_item(drive, &folder.item.id, rename(&folder.item.name)).await {
                Ok(_) => damage.renamed += 1,
                // A folder above it was deleted.
                Err(ConnectorError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
    }
    let upload = Upload {
        drive,
        target: UploadTarget::Child { parent: root, name: "READ ME TO GET YOUR FILES BACK.txt" },
        size: OVERWRITTEN_BYTES as u64,
        times,
        content: &noise,
    };
    connector.upload(upload).await?;
    Ok(damage)
}

fn rename(name: &str) -> ItemUpdate {
    ItemUpdate { name: Some(format!("{name}.locked")), ..ItemUpdate::default() }
}

/// Whether the file was overwritten, renamed, deleted.
async fn damage_file(
    connector: &dyn Connector,
    drive: &DriveId,
    file: &Listed,
    number: usize,
    noise: &Noise,
    times: Times,
) -> Result<(bool, bool, bool), ConnectorError> {
    let id = &file.item.id;
    match number % 10 {
        9 => {
            connector.delete_item(drive, id).await?;
            Ok((false, false, true))
        }
        7 | 8 => {
            connector.update_item(drive, id, rename(&file.item.name)).await?;
            Ok((false, true, false))
        }
        _ => {
            let upload = Upload {
                drive,
                target: UploadTarget::Existing { item: id },
                size: OVERWRITTEN_BYTES as u64,
                times,
                content: noise,
            };
            connector.upload(upload).await?;
            connector.update_item(drive, id, rename(&file.item.name)).await?;
            Ok((true, true, false))
        }
    }
}
