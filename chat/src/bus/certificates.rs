//! Certificates for servers of a test's own: an authority, and what it signed for this machine, in files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Their files, which are in the test's folder.
pub(crate) struct Certificates {
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificates {
    pub(crate) fn make(folder: &Path) -> Self {
        let extensions = folder.join("server.ext");
        std::fs::write(&extensions, "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
            .expect("a test can write into its folder");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(
            folder,
            &format!("req -x509 {key} -days 2 -subj /CN=authority -keyout authority.key -out authority.pem"),
        );
        openssl(folder, &format!("req {key} -subj /CN=server -keyout server.key -out server.csr"));
        openssl(
            folder,
            "x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 -extfile server.ext -out server.pem",
        );
        let file = |name| folder.join(name);
        Self { authority: file("authority.pem"), certificate: file("server.pem"), key: file("server.key") }
    }

    /// The authority, as an address has it.
    pub(crate) fn ca(&self) -> String {
        let file = self.authority.to_str().expect("the folder of a test has a plain name");
        format!("ca={}", percent_encoding::utf8_percent_encode(file, percent_encoding::NON_ALPHANUMERIC))
    }
}

fn openssl(folder: &Path, words: &str) {
    let mut openssl = Command::new("openssl");
    openssl.args(words.split(' ')).current_dir(folder).stdin(Stdio::null());
    let made = openssl.output().expect("openssl is there where servers are tested: scripts/tools services");
    assert!(made.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&made.stderr));
}
