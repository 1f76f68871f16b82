//! Whom a provider's certificate has to convince: a stranger's word is not taken, whatever it says.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::idp::client;

/// Ends with its owner.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn openssl(folder: &Path, words: &str) {
    let done = Command::new("openssl").args(words.split(' ')).current_dir(folder).output().expect("openssl");
    assert!(done.status.success(), "{words}: {}", String::from_utf8_lossy(&done.stderr));
}

/// `NAME.crt` and `NAME.key` for `localhost`, by the authority in the folder, good for that many days from now.
fn certificate(folder: &Path, name: &str, days: &str) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(folder, &format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
    std::fs::write(folder.join("ext"), "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n")
        .unwrap();
    openssl(
        folder,
        &format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out {name}.crt {days} -extfile ext"
        ),
    );
}

/// A provider's two documents over TLS; its port.
fn provider(folder: &Path, certificate: &str) -> (Program, u16) {
    let port = {
        let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        probe.local_addr().unwrap().port()
    };
    let mut child = Command::new("openssl")
        .args(["s_server", "-HTTP", "-accept", &format!("127.0.0.1:{port}")])
        .args(["-cert", &format!("../{certificate}.crt"), "-key", &format!("../{certificate}.key")])
        .current_dir(folder.join("documents"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ACCEPT") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "openssl s_server does not listen on {port}");
    }
    // Read to the end, or it would stop when the pipe is full.
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    (Program(child), port)
}

/// What a gateway's `/readyz` says of the provider at `issuer`, once it has said it.
async fn health_of(folder: &Path, issuer: &str, authority: Option<&Path>) -> String {
    let answer = |body: &Value| format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{body}");
    let documents = folder.join("documents/.well-known");
    std::fs::create_dir_all(&documents).unwrap();
    let discovery = json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    std::fs::write(documents.join("openid-configuration"), answer(&discovery)).unwrap();
    let keys = include_str!("../fixtures/keycloak/jwks.json");
    std::fs::write(folder.join("documents/jwks"), answer(&serde_json::from_str(keys).unwrap())).unwrap();

    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("doorward.yaml");
    let text = format!(
        "data_dir: {}\nserver: {{ listen: 127.0.0.1:0, external_url: https://auth.example.test }}\nops: {{ listen: 127.0.0.1:0 }}\n\
         providers:\n  - {{ id: p, kind: oidc, issuer: \"{issuer}\", client_id: c, client_secret: client-secret-canary }}\n",
        data.path().display()
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.env_clear().env("RUST_LOG", "info").args(["serve", "--config"]).arg(&file);
    if let Some(authority) = authority {
        command.env("SSL_CERT_FILE", authority);
    }
    let mut gateway = Program(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut said = BufReader::new(gateway.0.stderr.take().unwrap());
    let mut line = String::new();
    let address = loop {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "the gateway ended");
        if let Ok(said) = serde_json::from_str::<Value>(&line)
            && let Some(address) = said["listen"].as_str()
        {
            break address.to_owned();
        }
    };
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    let began = Instant::now();
    loop {
        let ready: Value =
            client().get(format!("http://{address}/readyz")).send().await.unwrap().json().await.unwrap();
        let status = ready["checks"][1]["status"].as_str().unwrap_or_else(|| panic!("{ready}")).to_owned();
        if matches!(status.as_str(), "ok" | "failing") {
            return status;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{ready}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[actix_web::test]
async fn a_certificate_of_nobody_known_for_another_name_or_over_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::create_dir(folder.join("documents")).unwrap();
    openssl(
        folder,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=authority",
    );
    certificate(folder, "good", "-days 2");
    certificate(folder, "over", "-days -1");
    let authority = folder.join("ca.crt");

    let (_good, port) = provider(folder, "good");
    let named = format!("https://localhost:{port}");
    assert_eq!(health_of(folder, &named, Some(&authority)).await, "ok", "by an authority that was named");
    assert_eq!(health_of(folder, &named, None).await, "failing", "by an authority that nobody named");
    let other = format!("https://127.0.0.1:{port}");
    assert_eq!(health_of(folder, &other, Some(&authority)).await, "failing", "for another name");
    let (_over, port) = provider(folder, "over");
    let over = format!("https://localhost:{port}");
    assert_eq!(health_of(folder, &over, Some(&authority)).await, "failing", "over since yesterday");
}
