//! The connector as a real tenant sees it: over TLS and a socket, with the certificate checked.

use std::fs;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use holdfast_connector::{
    Connector, ConnectorError, ContentSource, ContentStream, ItemFacts, Times, Upload, UploadTarget,
};
use holdfast_connector_graph::{Credentials, GraphConnector, Https};
use holdfast_domain::{Entropy, SeededEntropy, SystemClock, limits};
use holdfast_engine::NoObserver;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::data_dir::DataDir;
use crate::embedded::{Embedded, EmbeddedOptions};
use crate::listen::{self, Front};
use crate::tls;

struct Content(Bytes);

impl ContentSource for Content {
    fn open(&self, offset: u64) -> ContentStream {
        let rest = self.0.slice(usize::try_from(offset).expect("fits")..);
        stream::iter([Ok(rest)]).boxed()
    }
}

fn client(ca: Option<&[u8]>) -> reqwest::Client {
    let mut client = reqwest::Client::builder().no_proxy();
    if let Some(ca) = ca {
        client =
            client.tls_certs_only([reqwest::Certificate::from_pem(ca).expect("a certificate")]);
    }
    client.build().expect("a client")
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_up_and_down_over_tls() {
    // Another test of this process may have installed it.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let folder = tempfile::tempdir().expect("a folder");
    let data = DataDir::make(folder.path()).expect("made").own().expect("ours");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
    let options = EmbeddedOptions {
        public_url: url.clone(),
        backup_interval: limits::BACKUP_INTERVAL,
        observer: Arc::new(NoObserver),
    };
    let embedded = Embedded::open(&data, options).await.expect("opens");
    let config = tls::server_config(&data.tls()).expect("certificates");
    let (stop, stopped) = oneshot::channel::<()>();
    let front = Front::local(config);
    let serving = tokio::spawn(listen::serve(listener, front, embedded.router.clone(), async {
        drop(stopped.await);
    }));

    let facts = embedded.tenant.facts();
    let connect = |client| {
        let credentials = Credentials {
            authority: url.clone(),
            tenant: facts.tenant_id.to_string(),
            client_id: facts.client_id.to_string(),
            client_secret: facts.client_secret.clone(),
        };
        let transport = Arc::new(Https(client));
        GraphConnector::new(
            transport,
            Arc::new(SystemClock),
            Arc::new(SeededEntropy::new(1)),
            url.clone(),
            credentials,
        )
    };
    let ca = fs::read(tls::ca_file(&data.tls())).expect("the authority's certificate");
    let connector = connect(client(Some(&ca)));

    let site = connector.site(&facts.site_id).await.expect("answers").expect("the seeded site");
    let drive = connector.drives(&site.id).await.expect("lists").remove(0);
    let mut bytes = vec![0; 12_000_000];
    SeededEntropy::new(2).fill(&mut bytes);
    let content = Content(bytes.clone().into());
    let times = Times {
        created: "2021-03-04T05:06:07Z".parse().expect("a time"),
        modified: "2022-03-04T05:06:07Z".parse().expect("a time"),
    };
    let name = "100% a&b #1 + ü.bin";
    let target = UploadTarget::Child { parent: &drive.root, name };
    let upload =
        Upload { drive: &drive.id, target, size: bytes.len() as u64, times, content: &content };
    let item = connector.upload(upload).await.expect("uploads");
    assert_eq!((item.name.as_str(), item.times), (name, times));

    let listed = connector.item(&drive.id, &item.id).await.expect("answers").expect("is there");
    assert!(matches!(&listed.facts, ItemFacts::File(facts) if facts.size == 12_000_000));
    let pieces: Vec<Bytes> =
        connector.read(&listed).await.expect("opens").try_collect().await.expect("verified");
    assert!(pieces.concat() == bytes, "the bytes that went up come down");

    // A server that nobody vouches for is not talked to.
    let distrusting = connect(client(Some(embedded_authority_of_another().as_bytes())));
    let refused = distrusting.site(&facts.site_id).await.expect_err("not trusted");
    assert!(matches!(refused, ConnectorError::Unavailable { .. }), "{refused:?}");

    drop(stop);
    serving.await.expect("stops");
}

fn embedded_authority_of_another() -> String {
    let key = rcgen::KeyPair::generate().expect("a key");
    rcgen::CertificateParams::default().self_signed(&key).expect("a certificate").pem()
}
