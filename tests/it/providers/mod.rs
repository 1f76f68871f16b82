//! The pages of `docs/providers`: the configuration of each, as it stands there but for addresses and secrets, signs people in at
//! the stand-in provider while that plays what the page's provider says. And what people there could have it say is refused.

mod directories;
mod entra;
mod public;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::support::{APP, Answer, Browser, Gateway, Idp, Setup};

const HOST: &str = "auth.example.test";
const ADA: &str = "ada@example.com";

/// The YAML of a page, block by block.
pub(crate) fn yaml_blocks(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let blocks = text.split("\n```yaml\n").skip(1);
    blocks.map(|block| block.split("\n```").next().unwrap().to_owned() + "\n").collect()
}

/// Whether a block sets this at its top.
pub(crate) fn has_section(block: &str, section: &str) -> bool {
    block.lines().any(|line| line.starts_with(&format!("{section}:")))
}

/// A provider, played, and a gateway with a configuration of its page.
struct Played {
    idp: Idp,
    gateway: Gateway,
    /// How the provider is, whatever else it says.
    manner: Value,
}

/// A page's example in the making.
struct Example {
    config: String,
    policy: Option<String>,
    idp: Idp,
}

impl Example {
    /// The `n`th configuration of a page. The provider's issuer has the path that stands there.
    fn new(page: &str, n: usize) -> Self {
        let blocks = yaml_blocks(page);
        let block =
            blocks.iter().filter(|block| has_section(block, "providers")).nth(n).expect("such a block");
        let providers = &block[block.find("providers:").unwrap()..];
        let issuer = providers.lines().find_map(|line| line.trim().strip_prefix("issuer: "));
        let issuer = issuer.map_or("", |written| written.split(" #").next().unwrap().trim());
        let after_host = issuer.split_once("://").map_or("", |(_, rest)| rest);
        let is_github = providers.contains("kind: github");
        let path = after_host.find('/').map_or("", |at| &after_host[at..]);
        let idp = Idp::with_path(path);
        let mut config = String::new();
        for line in providers.lines().take_while(|line| {
            line.is_empty() || line.starts_with([' ', '#']) || line.starts_with("providers:")
        }) {
            let indent = line.len() - line.trim_start().len();
            let key = line.trim_start().split(':').next().unwrap();
            let changed = match key {
                "issuer" => format!("issuer: \"{}\"", idp.issuer),
                "api_url" => format!("api_url: \"{}/api\"", idp.origin),
                "client_id" => "client_id: doorward".to_owned(),
                "client_secret_file" => "client_secret: client-secret-canary".to_owned(),
                _ => line.trim_start().to_owned(),
            };
            config.push_str(&format!("{:indent$}{changed}\n", ""));
        }
        if issuer.is_empty() {
            config.push_str(&format!("    issuer: \"{}\"\n", idp.issuer));
            if is_github {
                config.push_str(&format!("    api_url: \"{}/api\"\n", idp.origin));
            }
        }
        assert!(!config.contains("https://login") && !config.contains("/run/secrets"), "{config}");
        Self { config, policy: None, idp }
    }

    /// With the policy of the page.
    fn policy_of(mut self, page: &str) -> Self {
        let policy = yaml_blocks(page).into_iter().find(|block| has_section(block, "assign"));
        self.policy = Some(policy.expect("a policy on the page"));
        self
    }

    /// With another line in the configuration.
    fn instead(mut self, line: &str, other: &str) -> Self {
        assert_eq!(self.config.matches(line).count(), 1, "{line} in {}", self.config);
        self.config = self.config.replace(line, other);
        self
    }

    /// Starts both, the provider with these manners from the beginning.
    async fn play(self, manner: Value) -> Played {
        self.idp.behave(&manner).await;
        let setup = Setup { issuers: Vec::new(), policy: self.policy, ..Setup::with(&self.idp) };
        let gateway = setup.and(&self.config).start().await;
        Played { idp: self.idp, gateway, manner }
    }
}

impl Played {
    /// Somebody signs in while the provider says this of them; what their callback came to.
    async fn attempt(&self, email: &str, says: &Value) -> (Answer, Browser) {
        let mut settings = self.manner.clone();
        merge(&mut settings, says);
        self.idp.behave(&settings).await;
        let mut browser = Browser::new(&self.gateway);
        let callback = browser.sign_in_up_to_callback(APP, email).await;
        let answer = browser.get(&callback).await;
        (answer, browser)
    }

    /// Ada signs in, and what the service is told of her.
    async fn lets_in(&self, says: Value) -> Answer {
        let (answer, mut browser) = self.attempt(ADA, &says).await;
        assert!(
            answer.status == 302 && answer.location() == APP,
            "{says}: {} {}",
            answer.status,
            self.last_refusal()
        );
        browser.get(APP).await
    }

    /// The same, by the names of her roles.
    async fn roles(&self, says: Value) -> String {
        self.lets_in(says).await.header("x-auth-roles")
    }

    /// Nobody signs in, for this reason.
    async fn refuses(&self, says: Value, status: u16, reason: &str) {
        let (answer, browser) = self.attempt(ADA, &says).await;
        assert_eq!((answer.status, browser.session(HOST)), (status, None), "{says}: {}", answer.body);
        let told = self.last_refusal();
        assert!(told.contains(reason), "{says}: refused, but: {told}");
    }

    /// The last reason in the audit log.
    fn last_refusal(&self) -> String {
        let log = fs::read_to_string(self.gateway.dir.join("audit.log")).unwrap_or_default();
        let lines = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut reasons = lines.filter(|line| line["action"] == "sign_in_refused");
        reasons.next().map(|line| line["reason"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    }

    async fn end(self) {
        self.gateway.stop().await;
    }
}

/// Puts the members of one object into another, and so on inside.
fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().unwrap() {
        match (into.get_mut(name), value) {
            (Some(inner @ Value::Object(_)), Value::Object(_)) => merge(inner, value),
            _ => into[name] = value.clone(),
        }
    }
}

/// An ID token's claims.
fn token(claims: Value) -> Value {
    json!({ "id_token": claims })
}
