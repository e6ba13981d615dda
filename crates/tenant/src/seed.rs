//! Contoso: the sites, people and documents of a new tenant. All ids and bytes follow from names; only the times are
//! the clock's.

use rusqlite::{Transaction, params};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::directory::DOMAIN;
use crate::ids::{self, derived};
use crate::items::Item;
use crate::lists::{self, NewDrive};
use crate::oauth::redirects;
use crate::permissions;
use crate::places::{Drive, Site};
use crate::problem::{Answer, Problem};
use crate::roles;
use crate::sites::{self, SiteSeed};
use crate::tenant::{AppRegistration, Tenant, TenantError};
use crate::tree::{Change, FileSystemInfo, NewItem};

/// Every permission that the tenant or the backup API knows.
const EVERY_ROLE: [&str; 19] = [
    "BackupRestore-Configuration.Read.All",
    "BackupRestore-Configuration.ReadWrite.All",
    "BackupRestore-Control.Read.All",
    "BackupRestore-Control.ReadWrite.All",
    "BackupRestore-Monitor.Read.All",
    "BackupRestore-Restore.Read.All",
    "BackupRestore-Restore.ReadWrite.All",
    "BackupRestore-Search.Read.All",
    "Directory.Read.All",
    "Files.Read.All",
    "Files.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Mail.ReadWrite",
    "Organization.Read.All",
    "Sites.FullControl.All",
    "Sites.Read.All",
    "Sites.ReadWrite.All",
    "User.Read.All",
];

/// Given name, surname, job title.
const PEOPLE: [(&str, &str, &str); 8] = [
    ("Amira", "Haddad", "Marketing Director"),
    ("Bruno", "Keller", "Sales Manager"),
    ("Chen", "Wei", "Accountant"),
    ("Dalia", "Romero", "HR Partner"),
    ("Erik", "Sundqvist", "Account Executive"),
    ("Fatima", "Noor", "Designer"),
    ("Grace", "Okafor", "Chief Financial Officer"),
    ("Hiro", "Tanaka", "IT Administrator"),
];

/// Path, title, description, and the members of the group that owns the site.
const SITES: [(&str, &str, &str, &[usize]); 5] = [
    ("sites/Marketing", "Marketing", "Campaigns and brand", &[0, 5]),
    ("sites/Sales", "Sales", "Offers and customers", &[1, 4]),
    ("sites/Finance", "Finance", "Budgets and reports", &[2, 6]),
    ("sites/HR", "HR", "People and policies", &[]),
    ("", "Contoso", "The company's front page", &[]),
];

/// Name, description, people and groups in it.
const SECURITY_GROUPS: [(&str, &str, &[usize], &[&str]); 4] = [
    ("Executives", "Those who sign for the company", &[0, 6], &[]),
    ("Finance team", "Accounting and treasury", &[2, 6], &[]),
    ("Field staff", "Everyone on the road", &[1, 4], &[]),
    (
        "Protected people",
        "Whose mail and files are kept for long",
        &[5],
        &["Executives", "Finance team"],
    ),
];

/// Who administers what.
const ADMINISTRATORS: [(usize, &str); 5] = [
    (7, roles::GLOBAL_ADMINISTRATOR),
    (5, roles::SHAREPOINT_ADMINISTRATOR),
    (4, roles::EXCHANGE_ADMINISTRATOR),
    (2, roles::SHAREPOINT_BACKUP_ADMINISTRATOR),
    (3, roles::MICROSOFT_365_BACKUP_ADMINISTRATOR),
];

fn site_guid(path: &str) -> Uuid {
    derived("site", path)
}

fn web_guid(path: &str) -> Uuid {
    derived("web", path)
}

fn list_guid(path: &str) -> Uuid {
    derived("list", &format!("{path}/Documents"))
}

pub(crate) fn first_site_id() -> String {
    ids::site_id(false, site_guid(SITES[0].0), web_guid(SITES[0].0))
}

pub(crate) fn first_drive_id() -> String {
    let path = SITES[0].0;
    ids::drive_id(site_guid(path), web_guid(path), list_guid(path))
}

fn upn(person: usize) -> String {
    let (given, surname, _) = PEOPLE[person];
    format!("{}.{}@{DOMAIN}", given.to_lowercase(), surname.to_lowercase())
}

fn person_id(person: usize) -> String {
    derived("user", &upn(person)).to_string()
}

pub(crate) fn first_user_id() -> String {
    person_id(0)
}

fn group_id(name: &str) -> String {
    derived("group", name).to_string()
}

pub(crate) fn nested_group_id() -> String {
    group_id(SECURITY_GROUPS[3].0)
}

/// Makes everything in one transaction, once.
pub(crate) fn seed(tenant: &Tenant) -> Result<(), TenantError> {
    let facts = tenant.facts();
    let inner = &tenant.inner;
    let seeded: i64 = inner.database.read(|connection| {
        connection.query_row("SELECT count(*) FROM users", [], |row| row.get(0))
    })?;
    if seeded == 0 {
        inner.database.write(|tx| seed_all(tenant, tx))?;
    }
    inner.database.write(seed_directory)?;
    tenant.register_app(&AppRegistration {
        client_id: facts.client_id.to_string(),
        secret: facts.client_secret,
        display_name: "Contoso development".to_owned(),
        roles: EVERY_ROLE.map(str::to_owned).to_vec(),
        scopes: EVERY_ROLE.into_iter().chain(["User.Read"]).map(str::to_owned).collect(),
        redirect_uris: ["http://localhost", "http://127.0.0.1", redirects::NATIVE_CLIENT]
            .map(str::to_owned)
            .to_vec(),
    })
}

fn seed_all(tenant: &Tenant, tx: &Transaction<'_>) -> Answer<()> {
    let now = tenant.inner.now();
    for (person, (given, surname, title)) in PEOPLE.into_iter().enumerate() {
        tx.execute(
            "INSERT INTO users (id, upn, display_name, given_name, surname, job_title, created) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                person_id(person),
                upn(person),
                format!("{given} {surname}"),
                given,
                surname,
                title,
                now
            ],
        )?;
    }
    for (path, title, description, members) in SITES {
        let author = members.first().copied().unwrap_or(7);
        let identity = user_identity(author);
        let group = (!members.is_empty()).then(|| group_id(title));
        let seed = SiteSeed {
            guid: site_guid(path),
            web: web_guid(path),
            path,
            display_name: title,
            description,
            owner_user: None,
            owner_group: group.as_deref(),
        };
        let drive = NewDrive {
            list: list_guid(path),
            root: derived("root", path),
            ..NewDrive::documents(&*tenant.inner.entropy)
        };
        let site = sites::make_team_site(tx, &seed, &drive, now, &identity)?;
        if let Some(group) = &group {
            tx.execute(
                "INSERT INTO groups (id, display_name, mail_nickname, description, site, created) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![group, title, title.to_lowercase(), description, site.row, now],
            )?;
            for member in members {
                tx.execute(
                    "INSERT INTO group_members (group_id, user_id) VALUES (?1, ?2)",
                    params![group, person_id(*member)],
                )?;
            }
        }
        fill_library(tenant, tx, &site, title, author)?;
    }
    for person in 0..PEOPLE.len() {
        make_onedrive(tenant, tx, person)?;
    }
    Ok(())
}

/// What later versions of the program added, for tenants made by earlier ones too. Once: what was changed since stays.
fn seed_directory(tx: &Transaction<'_>) -> Result<(), TenantError> {
    let seeded: i64 = tx.query_row("SELECT count(*) FROM directory_roles", [], |row| row.get(0))?;
    if seeded > 0 {
        return Ok(());
    }
    for (person, role) in ADMINISTRATORS {
        tx.execute(
            "INSERT INTO directory_roles (user_id, template_id) VALUES (?1, ?2)",
            [person_id(person).as_str(), role],
        )?;
    }
    let created: i64 = tx.query_row("SELECT max(created) FROM users", [], |row| row.get(0))?;
    for (name, description, people, groups) in SECURITY_GROUPS {
        let id = group_id(name);
        tx.execute(
            "INSERT INTO groups (id, display_name, mail_nickname, description, created, security) \
             VALUES (?1, ?2, ?3, ?4, ?5, 1)",
            params![id, name, name.to_lowercase().replace(' ', "-"), description, created],
        )?;
        for person in people {
            tx.execute(
                "INSERT INTO group_members (group_id, user_id) VALUES (?1, ?2)",
                [&id, &person_id(*person)],
            )?;
        }
        for group in groups {
            tx.execute(
                "INSERT INTO nested_groups (parent, child) VALUES (?1, ?2)",
                [&id, &group_id(group)],
            )?;
        }
    }
    Ok(())
}

fn user_identity(person: usize) -> Value {
    let (given, surname, _) = PEOPLE[person];
    json!({"user": {
        "id": person_id(person), "displayName": format!("{given} {surname}"), "email": upn(person),
    }})
}

fn make_onedrive(tenant: &Tenant, tx: &Transaction<'_>, person: usize) -> Answer<()> {
    let now = tenant.inner.now();
    let upn = upn(person);
    let path = format!("personal/{}", upn.replace(['@', '.'], "_"));
    let id = person_id(person);
    let (given, surname, _) = PEOPLE[person];
    let name = format!("{given} {surname}");
    let seed = SiteSeed {
        guid: site_guid(&path),
        web: web_guid(&path),
        path: &path,
        display_name: &name,
        description: "",
        owner_user: Some(&id),
        owner_group: None,
    };
    let site = sites::insert_site(tx, &seed, now)?;
    let identity = user_identity(person);
    let new = NewDrive {
        list: list_guid(&path),
        root: derived("root", &path),
        name: "OneDrive",
        url_name: "Documents",
        description: "",
        is_default: true,
        epoch: lists::new_epoch(&*tenant.inner.entropy),
    };
    let (drive, root) = lists::insert_drive(tx, &site, &new, now, &identity)?;
    permissions::grant_site_groups(tx, &drive, &root)?;
    let library = Library::open(tenant, tx, &drive, &identity)?;
    let notes = library.folder(&root, "Notes")?;
    library.text(&notes, "Welcome.txt", &format!("Welcome to OneDrive, {given}.\n"))?;
    library.text(&root, "To do.md", "- [ ] read the mail\n- [x] make coffee\n")
}

fn fill_library(
    tenant: &Tenant,
    tx: &Transaction<'_>,
    site: &Site,
    title: &str,
    author: usize,
) -> Answer<()> {
    let drive =
        Drive::of_site(tx, site.row)?.into_iter().next().ok_or_else(Problem::item_not_found)?;
    let root = crate::items::root(tx, drive.row)?;
    let library = Library::open(tenant, tx, &drive, &user_identity(author))?;
    library.text(&root, "Read me.txt", &format!("The documents of {title}.\n"))?;
    let reports = library.folder(&root, "Reports")?;
    for year in [2024, 2025] {
        let folder = library.folder(&reports, &year.to_string())?;
        for quarter in 1..=4 {
            library.text(
                &folder,
                &format!("{title} Q{quarter} {year}.csv"),
                &table(title, year, quarter),
            )?;
        }
    }
    let odd = library.folder(&root, "Odd names #1 & 100%")?;
    for name in [
        "résumé (final) + copy.txt",
        "日本語の資料.txt",
        "it's ~50% & more #2.txt",
        "UPPER lower.TXT",
    ] {
        library.text(&odd, name, &format!("The name of this file is {name}\n"))?;
    }
    library.text(&odd, "empty.bin", "")?;
    library.folder(&odd, "empty folder")?;
    let media = library.folder(&root, "Media")?;
    library.file(&media, "sample.bin", &noise(title, 300_000))?;
    let shared = library.folder(&root, "Shared with Grace")?;
    library.text(&shared, "Plan.md", "# Plan\n\nFor two readers only.\n")?;
    library.share(&shared, 6)
}

/// The rows of a quarter, always the same.
fn table(title: &str, year: u32, quarter: u32) -> String {
    let mut text = "month,region,amount\n".to_owned();
    for month in (quarter - 1) * 3 + 1..=quarter * 3 {
        for region in ["north", "south", "east", "west"] {
            let hash = ids::sha256(format!("{title}{year}{month}{region}").as_bytes());
            let amount = u32::from(hash[0]) * 100 + u32::from(hash[1]);
            text.push_str(&format!("{year}-{month:02},{region},{amount}\n"));
        }
    }
    text
}

/// Bytes that do not compress.
fn noise(name: &str, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 32);
    let mut block = ids::sha256(name.as_bytes());
    while bytes.len() < length {
        bytes.extend_from_slice(&block);
        block = ids::sha256(&block);
    }
    bytes.truncate(length);
    bytes
}

/// Writes documents whose ids follow from where they are.
struct Library<'t> {
    tenant: &'t Tenant,
    drive: &'t Drive,
    change: Change<'t>,
}

impl<'t> Library<'t> {
    fn open(
        tenant: &'t Tenant,
        tx: &'t Transaction<'t>,
        drive: &'t Drive,
        identity: &Value,
    ) -> Answer<Self> {
        Ok(Self { tenant, drive, change: Change::begin(tx, drive, tenant.inner.now(), identity)? })
    }

    fn insert(&self, parent: &Item, name: &str, bytes: Option<&[u8]>) -> Answer<Item> {
        let content = bytes.map(|bytes| self.tenant.inner.content.put(bytes)).transpose()?;
        let place = format!("{}\n{}\n{name}", self.drive.id, parent.guid);
        let new = NewItem {
            guid: derived("item", &place),
            name,
            content,
            times: FileSystemInfo::default(),
            description: None,
        };
        self.change.insert(parent, &new)
    }

    fn folder(&self, parent: &Item, name: &str) -> Answer<Item> {
        self.insert(parent, name, None)
    }

    fn file(&self, parent: &Item, name: &str, bytes: &[u8]) -> Answer<()> {
        self.insert(parent, name, Some(bytes)).map(|_| ())
    }

    fn text(&self, parent: &Item, name: &str, text: &str) -> Answer<()> {
        self.file(parent, name, text.as_bytes())
    }

    fn share(&self, item: &Item, person: usize) -> Answer<()> {
        permissions::grant_user(self.change.tx, item, &person_id(person), "write")?;
        self.change.mark_sharing(item)
    }
}
