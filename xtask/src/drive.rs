//! Google Drive's way of giving out large files.
//!
//! A file too large for Drive's virus scan is answered with a web page whose form holds the real
//! link: an action and hidden inputs (`id`, `export`, `confirm`, `uuid`). When too many people have
//! fetched a file, or it is private, there is a page without that form. Both come with status 200,
//! which is how many a script has saved a web page as its data set.

use canet_fetch::Page;

use crate::fault;

/// The link by which programs fetch it.
pub(crate) fn download_url(id: &str) -> String {
    format!("https://drive.google.com/uc?export=download&id={}", encode(id))
}

/// Turns the link by which people share a file into the one for programs.
pub(crate) fn from_page_url(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://drive.google.com/file/d/")?;
    let id = rest.split(['/', '?']).next()?;
    check_id(id).ok()?;
    Some(download_url(id))
}

/// What a page from the address `base` means.
pub(crate) fn meaning(page: &str, base: &str) -> Page {
    match confirmed_url(page, base) {
        Some(link) => Page::Link(link),
        None => Page::Refusal("its quota for today is used up, or it is private".into()),
    }
}

/// The link behind the form of a confirm page, or `None` if the page has none. `base` is the address
/// of the page.
fn confirmed_url(page: &str, base: &str) -> Option<String> {
    let mut action = None;
    let mut pairs = Vec::new();
    for tag in tags(page) {
        match tag.name.as_str() {
            "form" if action.is_none() && tag.get("id") == Some("download-form") => {
                action = Some(absolute(tag.get("action")?, base)?);
            }
            "/form" if action.is_some() => break,
            "input" if action.is_some() && tag.get("type") == Some("hidden") => {
                let (name, value) = (tag.get("name")?, tag.get("value").unwrap_or(""));
                pairs.push(format!("{}={}", encode(name), encode(value)));
            }
            _ => {}
        }
    }
    let action = action?;
    let joint = if action.contains('?') { '&' } else { '?' };
    let has_id = pairs.iter().any(|pair| pair.starts_with("id="));
    has_id.then(|| format!("{action}{joint}{}", pairs.join("&")))
}

/// A tag with its attributes; closing tags have a name that starts with a slash.
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// The tags of a page; no more of HTML is understood than a form needs.
fn tags(page: &str) -> impl Iterator<Item = Tag> + '_ {
    page.split('<').skip(1).filter_map(|text| {
        let mut rest = text.split('>').next()?.trim_end_matches('/');
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let mut attributes = Vec::new();
        while !rest.is_empty() {
            let (attribute, after) = attribute(rest);
            attributes.push(attribute);
            rest = after.trim_start();
        }
        Some(Tag { name, attributes })
    })
}

/// Splits `name="value"`, `name='value'`, `name=value` or `name` off the text, which is not empty.
fn attribute(text: &str) -> ((String, String), &str) {
    let end = text.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(text.len());
    let name = text[..end].to_ascii_lowercase();
    let Some(value) = text[end..].trim_start().strip_prefix('=') else {
        return ((name, String::new()), &text[end..]);
    };
    let value = value.trim_start();
    for quote in ['"', '\''] {
        if let Some(quoted) = value.strip_prefix(quote) {
            let (value, rest) = quoted.split_once(quote).unwrap_or((quoted, ""));
            return ((name, unescape(value)), rest);
        }
    }
    let end = value.find(char::is_whitespace).unwrap_or(value.len());
    ((name, unescape(&value[..end])), &value[end..])
}

fn unescape(text: &str) -> String {
    let pairs = [("&quot;", "\""), ("&#39;", "'"), ("&#x3D;", "="), ("&lt;", "<"), ("&gt;", ">")];
    let text = pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("&amp;", "&")
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |out, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            out + char::from(byte).encode_utf8(&mut [0; 4])
        }
        _ => out + &format!("%{byte:02X}"),
    })
}

/// An action as a full address: it may be one already, or a path on the page's own host.
fn absolute(action: &str, base: &str) -> Option<String> {
    if action.starts_with("https://") || action.starts_with("http://") {
        return Some(action.to_owned());
    }
    let host_at = base.find("://")? + 3;
    let host_end = base[host_at..].find('/').map_or(base.len(), |at| host_at + at);
    action.starts_with('/').then(|| format!("{}{action}", &base[..host_end]))
}

/// Refuses an id that could not have come from Drive, before it becomes part of a link.
pub(crate) fn check_id(id: &str) -> anyhow::Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if id.is_empty() || !id.chars().all(plain) {
        return Err(fault::usage(format!("{id:?} is not a Google Drive file id")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form of Drive's confirm page, shortened.
    const PAGE: &str = r#"<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title>
        <meta http-equiv="content-type" content="text/html; charset=utf-8"/></head><body>
        <form id="search" action="/search"><input type="hidden" name="q" value="x"></form>
        <p>too large</p><form id="download-form" action="https://files.test/download" method="get">
        <input type="submit" id="uc-download-link" value="Download anyway"/>
        <input type="hidden" name="id" value="1abc_D-e"><input type="hidden" name="export" value="download">
        <input type='hidden' name='confirm' value='t'><input type=hidden name=uuid value=a&amp;b%20c>
        </form><input type="hidden" name="late" value="no"></body></html>"#;

    #[test]
    fn the_form_becomes_a_link() {
        assert_eq!(
            confirmed_url(PAGE, "https://drive.test/uc").as_deref(),
            Some(
                "https://files.test/download?id=1abc_D-e&export=download&confirm=t&uuid=a%26b%2520c"
            )
        );
        let relative = PAGE.replace("https://files.test/download", "/download?x=1");
        assert_eq!(
            confirmed_url(&relative, "http://127.0.0.1:80/uc?a=/b").as_deref(),
            Some(
                "http://127.0.0.1:80/download?x=1&id=1abc_D-e&export=download&confirm=t&uuid=a%26b%2520c"
            )
        );
    }

    #[test]
    fn pages_without_the_form_have_no_link() {
        for page in [
            "",
            "<html><title>Google Drive - Quota exceeded</title></html>",
            "<form id=\"download-form\" action=\"javascript:x\"><input type=hidden name=id value=1></form>",
            "<form id=\"download-form\" action=\"/d\"></form>",
            "<form id=\"download-form\"><input type=hidden name=id value=1></form>",
            "<form id=download-form action=/d><input type=hidden name=",
            "< = ' \" <form <<< >",
        ] {
            assert_eq!(confirmed_url(page, "https://drive.test/uc"), None, "{page}");
        }
    }

    #[test]
    fn shared_links_become_downloads() {
        for end in ["", "/view", "/view?usp=sharing", "?x"] {
            let url = format!("https://drive.google.com/file/d/1abc_D-e{end}");
            assert_eq!(from_page_url(&url).unwrap(), download_url("1abc_D-e"));
        }
        assert_eq!(from_page_url("https://example.org/file/d/1abc"), None);
    }

    #[test]
    fn ids_are_plain() {
        assert!(check_id("1iQ93IWVdR6dZ6W7RahbLq166u-6ADelJ").is_ok());
        for id in ["", "a/b", "a&b=c", "ä"] {
            assert!(check_id(id).is_err(), "{id}");
        }
    }
}
