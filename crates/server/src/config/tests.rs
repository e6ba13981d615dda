//! What a configuration may be, and how a wrong one is refused.

use super::*;

const EXAMPLE: &str = include_str!("../../../../docs/holdfast.example.toml");

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::parse(Path::new("/etc/holdfast/holdfast.toml"), text, variables)
}

#[track_caller]
fn refused(text: &str, variables: &[(&str, &str)], expected: &str) {
    match parse(text, variables) {
        Ok(_) => panic!("accepted, instead of {expected}"),
        Err(error) => assert_eq!(error.to_string(), expected),
    }
}

/// The example with one line changed; also which line that was.
fn with(old: &str, new: &str) -> (String, usize) {
    let at = EXAMPLE.find(old).unwrap_or_else(|| panic!("{old} is in the example"));
    (EXAMPLE.replacen(old, new, 1), EXAMPLE[..at].matches('\n').count() + 1)
}

#[test]
fn the_example_is_what_it_says() {
    let config = parse(EXAMPLE, &[]).unwrap();
    assert_eq!(config.server.listen.value.port(), 8443);
    assert_eq!(config.server.public_url.authority, "backup.example.com");
    assert_eq!(config.server.grace, Duration::from_secs(30));
    assert!(!config.server.strict);
    let tls = config.server.tls.unwrap();
    assert_eq!(tls.certificate.value, Path::new("/etc/holdfast/tls/server.pem"));
    assert_eq!(config.objects.value, Path::new("/var/lib/holdfast/objects"));
    assert!(matches!(config.root_key, RootKeySource::File(_)));
    let engine =
        EngineConfig { backup_interval: limits::BACKUP_INTERVAL, workers: 2, transfers: 16 };
    assert_eq!(config.engine, engine, "the example shows the defaults");
    let issuer = &config.issuers[0];
    let name = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0";
    assert_eq!(issuer.names(), [(name.to_owned(), vec![config.tenants[0].id])]);
    assert_eq!(issuer.audiences.len(), 2);
    assert_eq!(config.tenants[0].graph, "https://graph.microsoft.com");
    assert!(config.tenants[0].controller.is_some());
    assert!(config.mail.is_none());
}

/// The example with its `[mail]`, whose lines are changed by `change`.
fn with_mail(change: impl Fn(&str) -> String) -> String {
    let (before, rest) = EXAMPLE.split_once("# [mail]\n").unwrap();
    let (section, after) = rest.split_once("\n\n").unwrap();
    let lines = section.lines().map(|line| match line.strip_prefix("# ") {
        Some(setting) if setting.contains(" = ") => change(setting),
        _ => line.to_owned(),
    });
    let lines: Vec<String> = lines.collect();
    format!("{before}[mail]\n{}\n\n{after}", lines.join("\n"))
}

#[test]
fn the_mail_server_of_the_example_works_too() {
    let check = |change: &dyn Fn(&str) -> String| parse(&with_mail(change), &[]).map(|c| c.mail);
    let file_only = |line: &str| line.replace("password_env", "# password_env");
    let mail = check(&file_only).unwrap().unwrap();
    assert_eq!((mail.host.as_str(), mail.port), ("smtp.example.com", 587));
    assert_eq!(mail.security, MailSecurity::StartTls);
    assert_eq!(mail.from.email.domain(), "example.com");
    assert!(matches!(mail.login.unwrap().password, SecretSource::File(_)));
    let on_this_machine = |line: &str| {
        line.replace("smtp.example.com:587", "[::1]:25")
            .replace("starttls", "none")
            .replace("user =", "# user =")
            .replace("password", "# password")
    };
    let mail = check(&on_this_machine).unwrap().unwrap();
    assert_eq!((mail.host.as_str(), mail.security), ("::1", MailSecurity::None));
    assert!(mail.login.is_none());

    let refused = |old: &str, new: &str, why: &str| {
        let error = check(&|line| file_only(line).replace(old, new)).err().unwrap().to_string();
        assert!(error.ends_with(why), "{error}");
    };
    refused("smtp.example.com:587", "smtp.example.com", "as smtp.example.com:587");
    refused("starttls", "none", "passwords must not travel in the clear");
    refused("starttls", "perhaps", "must be \"starttls\", \"implicit\" or \"none\"");
    refused("Holdfast <", "Holdfast\\r\\nBcc: a@b.c <", "as Holdfast <backup@example.com>");
    refused("password_file", "# password_file", "mail.password_file is missing");
    refused("user =", "# user =", "mail.user is missing");
    refused("ca_file", "ca_files", "mail.ca_files is not a known setting");
    refused("# password_env", "password_env", "mail.password_env: contradicts password_file");
    let variable = [("HOLDFAST_MAIL_SMTP", "smtp.example.com:465")];
    let error = parse(EXAMPLE, &variable).err().unwrap().to_string();
    assert!(error.ends_with("mail.from is missing"), "{error}");
}

#[test]
fn what_is_commented_out_in_the_example_works_too() {
    let text = EXAMPLE
        .replace("listen = \"0.0.0.0:8443\"", "listen = \"127.0.0.1:8080\"")
        .replace("tls_certificate", "# tls_certificate")
        .replace("tls_key", "# tls_key")
        .replace("# tls = \"none\"", "tls = \"none\"")
        .replace("root_key_file", "# root_key_file")
        .replace("# root_key_command", "root_key_command")
        .replace("client_secret_file", "# client_secret_file")
        .replace("# client_secret_env", "client_secret_env")
        .replace("# ca_file = \"/etc/holdfast/issuer-ca.pem\"", "ca_file = \"issuer-ca.pem\"")
        .replace("# tenants =", "tenants =")
        .replace("controller =", "# controller =");
    let config = parse(&text, &[]).unwrap();
    assert_eq!(config.issuers[0].tenants, [config.tenants[0].id]);
    assert!(config.server.tls.is_none());
    assert!(
        matches!(&config.root_key, RootKeySource::Command(command) if command.value.len() == 2)
    );
    assert!(
        matches!(&config.tenants[0].secret, SecretSource::Variable(name) if name.value == "CONTOSO_CLIENT_SECRET")
    );
    let ca = config.issuers[0].ca_file.as_ref().unwrap();
    assert_eq!(ca.value, Path::new("/etc/holdfast/issuer-ca.pem"), "relative to the file's folder");
    assert!(config.tenants[0].controller.is_none());
}

#[test]
fn a_wrong_setting_is_refused_with_line_and_key() {
    let check = |old: &str, new: &str, why: &str| {
        let (text, line) = with(old, new);
        refused(&text, &[], &format!("/etc/holdfast/holdfast.toml, line {line}: {why}"));
    };
    check(
        "listen = \"0.0.0.0:8443\"",
        "listen = 8443",
        "server.listen: must be a text in quotes, not a number",
    );
    check(
        "listen = \"0.0.0.0:8443\"",
        "listen = \"everywhere\"",
        "server.listen: must be an address and a port, as 0.0.0.0:8443",
    );
    check("grace_seconds", "grace_second", "server.grace_second is not a known setting");
    check(
        "grace_seconds = 30",
        "grace_seconds = 0",
        "server.grace_seconds: must be a whole number from 1 to 600",
    );
    check(
        "public_url = \"https://backup.example.com\"",
        "public_url = \"https://backup.example.com/holdfast\"",
        "server.public_url: must be an address as https://backup.example.com, without a path",
    );
    check("[metastore]", "[metastores]", "metastores is not a known section");
    check(
        "sqlite =",
        "postgres =",
        "metastore.postgres: this build keeps its rows in SQLite only; set sqlite",
    );
    check(
        "folder =",
        "s3 =",
        "objects.s3: this build keeps repositories in a folder only; set folder",
    );
    check(
        "audiences = [",
        "audiences = [1, ",
        "issuers[0].audiences: must be a list of texts, not a mixed list",
    );
    check("id = \"11111111-", "id = \"", "tenants[0].id: must be a GUID");
    check(
        "graph = \"https:",
        "graph = \"http:",
        "tenants[0].graph: must be an address that begins with https://",
    );
    let (text, line) = with("tls_key = \"/etc", "tls = \"none\"\n#tls_key = \"/etc");
    refused(
        &text,
        &[],
        &format!(
            "/etc/holdfast/holdfast.toml, line {line}: server.tls: contradicts tls_certificate and tls_key"
        ),
    );
    let text = text.replace("tls_certificate =", "#tls_certificate =");
    let error = parse(&text, &[]).err().unwrap().to_string();
    assert!(error.contains("loopback address"), "{error}");
}

#[test]
fn what_is_missing_or_no_toml_is_refused_with_the_place() {
    let (text, line) = with("client_id =", "#client_id =");
    let section = text.lines().position(|line| line == "[[tenants]]").unwrap() + 1;
    assert!(section < line);
    refused(
        &text,
        &[],
        &format!("/etc/holdfast/holdfast.toml, line {section}: tenants[0].client_id is missing"),
    );
    refused("", &[], "/etc/holdfast/holdfast.toml: server.listen is missing");
    let (text, line) = with("workers = 2", "workers = ");
    let error = parse(&text, &[]).err().unwrap().to_string();
    assert!(error.starts_with(&format!("/etc/holdfast/holdfast.toml, line {line}: ")), "{error}");
}

#[test]
fn the_environment_overrides_and_is_checked_alike() {
    let config = parse(
        EXAMPLE,
        &[
            ("HOLDFAST_SERVER_LISTEN", "127.0.0.1:1"),
            ("HOLDFAST_ENGINE_BACKUP_INTERVAL_SECONDS", "60"),
            ("HOLDFAST_ISSUERS_0_AUDIENCES", "a, b"),
            ("HOLDFAST_TENANTS_1_ID", "22222222-2222-3333-4444-555555555555"),
            ("HOLDFAST_TENANTS_1_CLIENT_ID", "0d9c1b5e-4d54-4b06-9d0c-8d1f5f3f6a21"),
            ("HOLDFAST_TENANTS_1_CLIENT_SECRET_ENV", "SECOND"),
            ("HOLDFAST_SERVER_STRICT", "true"),
            ("HOLDFAST_BIN", "somebody else's"),
        ],
    )
    .unwrap();
    assert_eq!(config.server.listen.value.port(), 1);
    assert!(config.server.strict);
    assert_eq!(config.engine.backup_interval, Duration::from_secs(60));
    assert_eq!(config.issuers[0].audiences, ["a", "b"]);
    assert_eq!(config.tenants.len(), 2);
    let names = config.issuers[0].names();
    assert_eq!(names.len(), 2);
    for ((name, tenants), tenant) in names.iter().zip(&config.tenants) {
        assert!(name.contains(&tenant.id.to_string()) && *tenants == [tenant.id], "{name}");
    }
    let check = |name: &str, value: &str, why: &str| {
        refused(EXAMPLE, &[(name, value)], &format!("environment variable {name}: {why}"));
    };
    check(
        "HOLDFAST_ENGINE_WORKERS",
        "many",
        "engine.workers: must be a whole number from 1 to 256",
    );
    check("HOLDFAST_SERVER_LISTN", "x", "server.listn is not a known setting");
    check("HOLDFAST_TENANTS_ID", "x", "tenants needs the number of an entry, 0 to 1");
    check("HOLDFAST_METASTORE_SQLITE", "", "metastore.sqlite: must not be empty");
    check(
        "HOLDFAST_TENANTS_1_ID",
        "11111111-2222-3333-4444-555555555555",
        "tenants[1].id: the tenant is there already",
    );
}

#[test]
fn an_issuer_without_a_placeholder_says_for_which_tenants_it_speaks() {
    let (text, line) = with(
        "issuer = \"https://login.microsoftonline.com/{tenantid}/v2.0\"",
        "issuer = \"https://id.example.com\"",
    );
    let config = parse(&text, &[]).unwrap();
    let only = config.tenants[0].id;
    assert_eq!(config.issuers[0].names(), [("https://id.example.com".to_owned(), vec![only])]);

    let second = "22222222-2222-3333-4444-555555555555";
    let mut variables = vec![
        ("HOLDFAST_TENANTS_1_ID", second),
        ("HOLDFAST_TENANTS_1_CLIENT_ID", "0d9c1b5e-4d54-4b06-9d0c-8d1f5f3f6a21"),
        ("HOLDFAST_TENANTS_1_CLIENT_SECRET_ENV", "SECOND"),
    ];
    let section = text.lines().position(|line| line == "[[issuers]]").unwrap() + 1;
    assert!(section < line);
    refused(
        &text,
        &variables,
        &format!("/etc/holdfast/holdfast.toml, line {section}: issuers[0].tenants is missing"),
    );
    variables.push(("HOLDFAST_ISSUERS_0_TENANTS", second));
    let config = parse(&text, &variables).unwrap();
    assert_eq!(config.issuers[0].tenants, [config.tenants[1].id]);

    let stranger = [("HOLDFAST_ISSUERS_0_TENANTS", "33333333-2222-3333-4444-555555555555")];
    refused(
        EXAMPLE,
        &stranger,
        "environment variable HOLDFAST_ISSUERS_0_TENANTS: issuers[0].tenants: \
         33333333-2222-3333-4444-555555555555 is the id of none of the [[tenants]]",
    );
}
