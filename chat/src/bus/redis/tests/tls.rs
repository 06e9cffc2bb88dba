//! A server that speaks nothing but TLS, with a certificate of an authority that only the address knows.

use super::*;
use crate::bus::certificates::Certificates;
use crate::presence::{Leases, redis::Redis};
use protocol::Presence;

impl Private {
    /// Makes this server speak TLS.
    fn encrypt(&mut self) -> Certificates {
        self.kill();
        let certificates = Certificates::make(self.folder.path());
        let port = self.port.to_string();
        let [certificate, key, authority] =
            [&certificates.certificate, &certificates.key, &certificates.authority]
                .map(|file| file.to_str().unwrap());
        let files = ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", authority];
        let more = [&files[..], &["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"]].concat();
        self.child = Self::run(&self.folder, self.port, &more);
        certificates
    }

    fn trusting(&self, trusted: &Certificates) -> Address {
        let prefix = rand::random::<u64>();
        let url =
            format!("rediss://default:s%3Acret@127.0.0.1:{}?prefix=t-{prefix:x}&{}", self.port, trusted.ca());
        Address::parse(OVER_TLS, PORT, SETTINGS, &url).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_passes_over_tls() {
    let Some(mut server) = Private::start() else { return };
    let certificates = server.encrypt();
    let address = server.trusting(&certificates);
    let mut link = wire(&address).await.unwrap();
    let submitting = intake(&address).await.unwrap();
    let mut working = work(&address, "worker").await.unwrap();
    submit(&*submitting, numbered(key(2), 0..3)).await;
    let given = take(&mut *working, 3).await;
    working.done(&given).await.unwrap();
    until(|| link.wire.is_up()).await;
    // Longer than a record of TLS.
    let long = Bytes::from(vec![b'x'; 100_000]);
    link.wire.send(vec![Parcel { subject: Subject::Nodes, sealed: long.clone() }]).await.unwrap();
    loop {
        match within(link.heard.recv()).await {
            Some(Heard::Sealed(sealed)) => break assert!(sealed == long),
            Some(Heard::Gap) => {}
            None => panic!("it is open"),
        }
    }
    let (here, there) = (Redis::open(&address).unwrap(), Redis::open(&address).unwrap());
    let ada = UserId::generate();
    within(async {
        loop {
            here.renew(&[(ada, Presence::Online)]).await;
            if there.elsewhere(&[ada]).await.is_some_and(|found| found.contains_key(&ada)) {
                break;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_authority_is_not_spoken_to() {
    let Some(mut server) = Private::start() else { return };
    let certificates = server.encrypt();
    // It is there, for those who trust it.
    let trusting = intake(&server.trusting(&certificates)).await.unwrap();
    until(|| trusting.is_up()).await;
    let folder = TempDir::new().unwrap();
    let address = server.trusting(&Certificates::make(folder.path()));
    let link = wire(&address).await.unwrap();
    let submitting = intake(&address).await.unwrap();
    let parcel = Parcel { subject: Subject::Nodes, sealed: Bytes::from_static(b"x") };
    assert!(link.wire.send(vec![parcel]).await.is_err());
    assert!(submitting.submit(numbered(key(1), 0..1)).await[0].is_err());
    assert!(!link.wire.is_up() && !submitting.is_up());
}

#[test]
fn authorities_that_cannot_be_meant_are_refused() {
    let open = |url: &str| {
        let scheme = if url.starts_with(OVER_TLS) { OVER_TLS } else { "redis" };
        Server::new(&Address::parse(scheme, PORT, SETTINGS, url).unwrap()).map(|_| ())
    };
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("empty.pem");
    std::fs::write(&file, "nothing").unwrap();
    for url in [
        "redis://h?ca=x".to_owned(),
        "rediss://h?ca=x".to_owned(),
        format!("rediss://h?ca={}", file.display()),
    ] {
        assert!(open(&url).unwrap_err().starts_with("accepts "), "{url}");
    }
    assert!(open("rediss://h").is_ok());
}
