//! The page: one HTML file, put together from those in `page/`, and what it may do.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

const FRAME: &str = include_str!("../page/index.html");

/// The style, in the order in which rules win.
const STYLES: [&str; 3] = [
    include_str!("../page/style.css"),
    include_str!("../page/controls.css"),
    include_str!("../page/layout.css"),
];

/// The scripts, in the order in which they run.
const SCRIPTS: [&str; 23] = [
    include_str!("../page/dom.js"),
    include_str!("../page/state.js"),
    include_str!("../page/trouble.js"),
    include_str!("../page/notices.js"),
    include_str!("../page/server.js"),
    include_str!("../page/header.js"),
    include_str!("../page/picture.js"),
    include_str!("../page/mask.js"),
    include_str!("../page/paint.js"),
    include_str!("../page/stage.js"),
    include_str!("../page/gestures.js"),
    include_str!("../page/wipe.js"),
    include_str!("../page/probe.js"),
    include_str!("../page/views.js"),
    include_str!("../page/classes.js"),
    include_str!("../page/frame.js"),
    include_str!("../page/sources.js"),
    include_str!("../page/camera.js"),
    include_str!("../page/downloads.js"),
    include_str!("../page/model.js"),
    include_str!("../page/theme.js"),
    include_str!("../page/keys.js"),
    include_str!("../page/start.js"),
];

/// The page, and its content security policy.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) html: String,
    pub(crate) policy: String,
}

/// The page of this program.
pub(crate) static PAGE: LazyLock<Page> = LazyLock::new(|| Page::of(FRAME, &STYLES, &SCRIPTS));

impl Page {
    fn of(frame: &str, styles: &[&str], scripts: &[&str]) -> Self {
        let (style, script) = (joined(styles), joined(scripts));
        let html = frame
            .replacen("<!-- style -->", &format!("<style>{style}</style>"), 1)
            .replacen("<!-- script -->", &format!("<script type=\"module\">{script}</script>"), 1);
        // No script and no style runs but the page's own, by their hashes.
        let policy = format!(
            "default-src 'self'; script-src {}; style-src {}; img-src 'self' blob: data:; \
             media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
            hashed(&script),
            hashed(&style),
        );
        Self { html, policy }
    }
}

fn joined(files: &[&str]) -> String {
    files.iter().fold("\n".to_owned(), |all, file| all + file.trim() + "\n")
}

fn hashed(inline: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(inline)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_take_the_places_of_the_markers() {
        let frame = "<p><!-- style --></p><!-- script -->";
        let page = Page::of(frame, &["a {}\n", "b {}"], &["let x;", "\nx = '<!-- style -->';"]);
        let expected = "<p><style>\na {}\nb {}\n</style></p><script type=\"module\">\nlet x;\nx = '<!-- style -->';\n</script>";
        assert_eq!(page.html, expected);
        // openssl dgst -sha256 -binary | base64, of what stands between the tags.
        let script = "script-src 'sha256-2aD1HPqvQPLtx+5Hp/c9XeCST1r/PXJDVmYo/LV4f58='";
        assert!(page.policy.contains(script), "{}", page.policy);
    }

    #[test]
    fn the_page_is_whole_and_asks_nobody_else() {
        let Page { html, policy } = &*PAGE;
        for marker in ["<!-- style -->", "<!-- script -->"] {
            assert!(FRAME.contains(marker) && !html.contains(marker), "{marker}");
        }
        for outside in ["https://", "//cdn", "@import", "src=\"http"] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        // What a policy of hashes forbids would fail in the browser only.
        for inline in [" style=\"", " onclick=\"", "javascript:"] {
            assert!(!html.contains(inline), "{inline}");
        }
    }
}
