//! Chromium, driven by Debian's chromedriver, each with a profile of its own.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use thirtyfour::extensions::query::ElementQueryable as _;
use thirtyfour::{
    By, ChromiumLikeCapabilities as _, DesiredCapabilities, WebDriver, WebElement, WindowHandle,
};

use super::{PATIENCE, Process, until};

/// A browser with one tab open. Dropped, it is gone with its profile.
pub(crate) struct Chrome {
    driver: WebDriver,
    _process: Process,
    _profile: TempDir,
}

impl Chrome {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        let profile =
            TempDir::with_prefix_in(format!("e2e-{}-", std::process::id()), env!("CARGO_TARGET_TMPDIR"))
                .unwrap();
        let chromedriver = Path::new("/usr/bin/chromedriver");
        let process = Process::start("chromedriver", chromedriver, &["--port=0".into()], profile.path());
        let port = until("chromedriver's port", async || {
            let output = process.output();
            let (_, rest) = output.split_once("started successfully on port ")?;
            rest.split_once('.').map(|(port, _)| port.to_owned())
        })
        .await;
        let mut wanted = DesiredCapabilities::chrome();
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--no-proxy-server",
            "--window-size=1280,900",
        ] {
            wanted.add_arg(argument).unwrap();
        }
        wanted.add_arg(&format!("--user-data-dir={}", profile.path().join("data").display())).unwrap();
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), wanted).await;
        let driver = driver.unwrap_or_else(|error| panic!("{error}\n{}", process.tail()));
        Self { driver, _process: process, _profile: profile }
    }

    /// Goes to an address.
    pub(crate) async fn goto(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    /// The address shown.
    pub(crate) async fn url(&self) -> String {
        self.driver.current_url().await.unwrap().to_string()
    }

    /// Waits until exactly this address is shown.
    pub(crate) async fn arrives_at(&self, url: &str) {
        until(&format!("the browser at {url}"), async || (self.url().await == url).then_some(())).await;
    }

    /// The element, once it is there.
    pub(crate) async fn find(&self, css: &str) -> WebElement {
        self.element(By::Css(css.to_owned())).await
    }

    async fn element(&self, by: By) -> WebElement {
        let found =
            self.driver.query(by.clone()).wait(PATIENCE, std::time::Duration::from_millis(100)).first().await;
        match found {
            Ok(element) => element,
            Err(error) => {
                panic!("{by:?} at {}: {error}\n{}", self.url().await, self.driver.source().await.unwrap())
            }
        }
    }

    /// Clicks a link or button by its text, once it is there.
    pub(crate) async fn press(&self, text: &str) {
        let path = format!("//*[self::a or self::button][contains(normalize-space(.), '{text}')]");
        self.element(By::XPath(path)).await.click().await.unwrap();
    }

    /// Clicks an account on the provider's page.
    pub(crate) async fn choose_account(&self, email: &str) {
        self.find(&format!("button[name=account][value='{email}']")).await.click().await.unwrap();
    }

    /// All text of the page, once it contains `part`.
    pub(crate) async fn reads(&self, part: &str) -> String {
        until(&format!("a page that reads {part:?}"), async || {
            // Between two pages there may be no body, or one that is going.
            let body = self.driver.find(By::Tag("body")).await.ok()?;
            let text = body.text().await.ok()?;
            text.contains(part).then_some(text)
        })
        .await
    }

    /// Opens another tab and goes there; the tab before stays.
    pub(crate) async fn open_tab(&self) -> WindowHandle {
        let tab = self.driver.new_tab().await.unwrap();
        self.show(&tab).await;
        tab
    }

    /// The tab shown.
    pub(crate) async fn tab(&self) -> WindowHandle {
        self.driver.window().await.unwrap()
    }

    /// Shows a tab.
    pub(crate) async fn show(&self, tab: &WindowHandle) {
        self.driver.switch_to_window(tab.clone()).await.unwrap();
    }

    /// Keeps a picture in `target/e2e/`, for people.
    pub(crate) async fn picture(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("e2e");
        std::fs::create_dir_all(&folder).unwrap();
        self.driver.screenshot(&folder.join(format!("{name}.png"))).await.unwrap();
    }

    /// Closes it in good order.
    pub(crate) async fn close(self) {
        self.driver.clone().quit().await.unwrap();
    }
}
