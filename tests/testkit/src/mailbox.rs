//! What arrived at the sink, by the recipients' domain.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use localstack::Stack;
use serde_json::Value;

/// Texts are shown as they are, with plain line ends, everything else in base64.
const READ: &str = r#"
import base64, email, email.policy, json, sys
message = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
def show(part):
    content = None
    if part.get_content_maintype() == "text" and not part.is_attachment():
        content = part.get_content().replace("\r\n", "\n")
    elif not part.is_multipart():
        content = base64.b64encode(part.get_payload(decode=True)).decode()
    return {"type": part.get_content_type(), "id": part["content-id"], "name": part.get_filename(),
            "disposition": part.get_content_disposition(), "content": content}
parts = list(message.walk())
defects = [str(defect) for part in parts for defect in part.defects]
json.dump({"subject": message["subject"], "parts": [show(part) for part in parts], "defects": defects}, sys.stdout)
"#;

/// One mail as the sink took it.
#[derive(Clone)]
pub struct Mail {
    pub return_path: String,
    pub recipient: String,
    /// Headers and body, with CRLF line ends.
    pub message: String,
}

impl Mail {
    fn read(path: &Path) -> Self {
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let mut rest = text.as_str();
        let mut envelope = |name: &str| {
            let (line, tail) = rest.split_once('\n').expect("an envelope line");
            rest = tail;
            let value =
                line.trim_end().strip_prefix(name).unwrap_or_else(|| panic!("{name} in {}", path.display()));
            value.trim().trim_matches(['<', '>']).to_owned()
        };
        let return_path = envelope("X-Envelope-From:");
        let recipient = envelope("X-Envelope-To:");
        Self { return_path, recipient, message: rest.to_owned() }
    }

    /// A header's unfolded value.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.message.split("\r\n\r\n").next()?.replace("\r\n\t", " ").replace("\r\n ", " ");
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    /// The decoded body parts, one after the other: quoted-printable and base64 undone.
    pub fn text(&self) -> String {
        let message =
            mail_parser::MessageParser::default().parse(self.message.as_bytes()).expect("a MIME message");
        let text = (0..message.text_body_count()).filter_map(|part| message.body_text(part));
        let html = (0..message.html_body_count()).filter_map(|part| message.body_html(part));
        text.chain(html).collect::<Vec<_>>().join("\n")
    }

    /// Subject, parts in their order and what is wrong with it, as another library than ours reads it: the one of Python.
    pub fn as_python_reads_it(&self) -> Value {
        let mut child = Command::new("python3")
            .args(["-c", READ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        child.stdin.take().unwrap().write_all(self.message.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "Python cannot read the message");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The first URL in the decoded text that contains a mark.
    pub fn url_with(&self, mark: &str) -> Option<String> {
        self.urls().into_iter().find(|url| url.contains(mark))
    }

    /// All URLs in attributes of the HTML part and in the text part.
    pub fn urls(&self) -> Vec<String> {
        let text = self.text();
        let mut urls = Vec::new();
        for (at, _) in text.match_indices("http") {
            let end =
                text[at..].find(['"', '\'', '<', '>', ' ', '\r', '\n']).map_or(text.len(), |end| at + end);
            urls.push(text[at..end].replace("&amp;", "&").replace("&#x2f;", "/").replace("&#x3D;", "="));
        }
        urls
    }

    /// The one-click address of RFC 8058.
    pub fn one_click(&self) -> Option<String> {
        let header = self.header("List-Unsubscribe")?;
        let from = header.find("<http")? + 1;
        let end = from + header[from..].find('>')?;
        Some(header[from..end].to_owned())
    }
}

fn folder(stack: &Stack, domain: &str) -> PathBuf {
    stack.sink_dir.join(domain)
}

/// How many mails arrived for a domain.
pub fn count(stack: &Stack, domain: &str) -> usize {
    let Ok(entries) = std::fs::read_dir(folder(stack, domain)) else { return 0 };
    entries.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "eml")).count()
}

/// All mails that arrived for a domain.
pub fn read(stack: &Stack, domain: &str) -> Vec<Mail> {
    let Ok(entries) = std::fs::read_dir(folder(stack, domain)) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "eml"))
        .map(|path| Mail::read(&path))
        .collect()
}
