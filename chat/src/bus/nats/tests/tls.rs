//! A server that speaks nothing but TLS, with a certificate of an authority that only the address knows.

use super::super::OVER_TLS;
use super::*;
use crate::bus::certificates::Certificates;

fn encrypted(certificates: &Certificates) -> String {
    let (certificate, key) = (&certificates.certificate, &certificates.key);
    format!(
        "tls {{ cert_file: {certificate:?}, key_file: {key:?} }}\nauthorization {{ user: ada, password: \"s:cret\" }}\n"
    )
}

fn trusting(server: &Server, trusted: &Certificates) -> Address {
    let prefix = rand::random::<u64>();
    let url = format!("tls://ada:s%3Acret@{}?prefix=t-{prefix:x}&{}", server.host(), trusted.ca());
    Address::parse(OVER_TLS, PORT, SETTINGS, &url).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_passes_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(folder.path());
    let Some(server) = Server::start_with(&encrypted(&certificates)).await else { return };
    let address = trusting(&server, &certificates);
    let (one, mut two) =
        (super::super::wire(&address).await.unwrap(), super::super::wire(&address).await.unwrap());
    let intake = super::super::intake(&address).await.unwrap();
    let keys = conversations(3);
    submit(&*intake, &keys, 1).await;
    let mut work = super::super::work(&address, "one").await.unwrap();
    let mut log = Log::default();
    while log.total() < 3 {
        let deliveries = next(&mut work, 3).await;
        log.note(&deliveries);
        work.done(&deliveries).await.unwrap();
    }
    one.wire.send(vec![parcel(keys[0], "a")]).await.unwrap();
    assert_eq!(sealed(&mut two).await, "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_another_authority_is_not_spoken_to() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let certificates = Certificates::make(folder.path());
    let Some(server) = Server::start_with(&encrypted(&certificates)).await else { return };
    // It is there, for those who trust it.
    assert!(super::super::wire(&trusting(&server, &certificates)).await.unwrap().wire.is_up());
    let address = trusting(&server, &Certificates::make(other.path()));
    let link = super::super::wire(&address).await.unwrap();
    assert!(!link.wire.is_up());
    let key = conversations(1)[0];
    assert!(link.wire.send(vec![parcel(key, "x")]).await.is_err());
}

#[tokio::test]
async fn settings_of_tls_that_cannot_be_meant_are_refused() {
    for (scheme, url) in
        [("tls", "tls://h?tls=off"), ("nats", "nats://h?tls=maybe"), ("nats", "nats://h?ca=x")]
    {
        let address = Address::parse(scheme, PORT, SETTINGS, url).unwrap();
        assert!(super::super::wire(&address).await.err().unwrap().starts_with("accepts "), "{url}");
    }
}
