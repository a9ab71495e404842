//! Files that every mail of a template carries: images that its HTML shows, and attachments.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};

/// Of all files of a template, in bytes. Each mail carries them, a third larger: a launch of a million mails is 350 GB on the wire, and an
/// object of the spool (32 MiB) still holds ninety of them.
pub const FILES_BYTES_MAX: usize = 256 * 1024;
/// Of a template.
pub const FILES_MAX: usize = 20;
/// Of a name.
pub const FILE_NAME_BYTES_MAX: usize = 100;
/// Behind the name of an inline file in its Content-ID, which has the form of an address (RFC 2392). Not a domain of anybody.
const ID_DOMAIN: &str = "files.invalid";
/// A line of base64 (RFC 2045, 6.8).
const LINE_BYTES: usize = 76;

/// What mails may carry: content type, endings of the name, how the content begins, whether HTML can show it. Nothing that a mail program
/// or its system would run, and nothing that hides other files.
const TYPES: [Type; 12] = [
    Type { name: "image/png", endings: &["png"], begins: b"\x89PNG\r\n\x1a\n", shown: true },
    Type { name: "image/jpeg", endings: &["jpg", "jpeg"], begins: b"\xFF\xD8\xFF", shown: true },
    Type { name: "image/gif", endings: &["gif"], begins: b"GIF8", shown: true },
    Type { name: "image/webp", endings: &["webp"], begins: b"RIFF", shown: true },
    Type { name: "application/pdf", endings: &["pdf"], begins: b"%PDF-", shown: false },
    Type { name: "text/calendar", endings: &["ics"], begins: b"BEGIN:VCALENDAR", shown: false },
    Type { name: "text/vcard", endings: &["vcf"], begins: b"BEGIN:VCARD", shown: false },
    Type { name: "text/csv", endings: &["csv"], begins: b"", shown: false },
    Type { name: "text/plain", endings: &["txt"], begins: b"", shown: false },
    Type {
        name: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        endings: &["docx"],
        begins: b"PK\x03\x04",
        shown: false,
    },
    Type {
        name: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        endings: &["xlsx"],
        begins: b"PK\x03\x04",
        shown: false,
    },
    Type {
        name: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        endings: &["pptx"],
        begins: b"PK\x03\x04",
        shown: false,
    },
];

struct Type {
    name: &'static str,
    endings: &'static [&'static str],
    begins: &'static [u8],
    shown: bool,
}

/// A file of a template. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct TemplateFile {
    /// ASCII letters, digits, `.`, `-` and `_`.
    pub name: String,
    /// One of those that mails may carry.
    pub content_type: String,
    /// What it is.
    pub content: Vec<u8>,
    /// Shown by the HTML part, which names it as `cid:<name>`. Otherwise it is an attachment.
    pub inline: bool,
}

impl fmt::Debug for TemplateFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemplateFile").field("bytes", &self.content.len()).finish_non_exhaustive()
    }
}

/// A file as it stands in a message: encoded once, for many mails.
#[derive(Clone)]
pub struct EncodedFile {
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) inline: bool,
    /// In lines of base64.
    pub(crate) body: Vec<u8>,
}

impl fmt::Debug for EncodedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedFile").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

impl TemplateFile {
    /// For the messages of a whole batch.
    pub fn encode(&self) -> EncodedFile {
        let base64 = STANDARD.encode(&self.content);
        let mut body = Vec::with_capacity(base64.len() + base64.len() / LINE_BYTES * 2 + 2);
        for line in base64.as_bytes().chunks(LINE_BYTES) {
            body.extend_from_slice(line);
            body.extend_from_slice(b"\r\n");
        }
        // What follows is a boundary, which brings its line end.
        body.truncate(body.len().saturating_sub(2));
        EncodedFile { name: self.name.clone(), content_type: self.full_type(), inline: self.inline, body }
    }

    /// With the charset of a text that has more than ASCII, which readers take for granted otherwise (RFC 2046, 4.1.2). What is no UTF-8 is in one that
    /// nobody knows.
    fn full_type(&self) -> String {
        let text = self.content_type.starts_with("text/") && !self.content.is_ascii();
        let charset = if text && str::from_utf8(&self.content).is_ok() { "; charset=utf-8" } else { "" };
        format!("{}{charset}", self.content_type)
    }

    fn problem(&self) -> Option<String> {
        let name = self.name.as_bytes();
        let plain = name.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(byte));
        if !plain || !name.first().is_some_and(u8::is_ascii_alphanumeric) || name.len() > FILE_NAME_BYTES_MAX
        {
            return Some(format!(
                "a name has letters and digits of ASCII, \".\", \"-\" and \"_\", begins with a letter or digit and has at most {FILE_NAME_BYTES_MAX} characters"
            ));
        }
        let Some(known) = TYPES.iter().find(|known| known.name == self.content_type) else {
            let names: Vec<&str> = TYPES.iter().map(|known| known.name).collect();
            return Some(format!("mails carry files of these content types alone: {}", names.join(", ")));
        };
        let ending = self.name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
        if !known.endings.contains(&ending.as_str()) {
            return Some(format!(
                "the name of a file of this content type ends with .{}",
                known.endings.join(" or .")
            ));
        }
        if self.content.is_empty() || !self.content.starts_with(known.begins) {
            return Some("its content is not of this content type".to_owned());
        }
        (self.inline && !known.shown).then(|| "only an image can be inline".to_owned())
    }
}

/// The name and problem of the first file that mails cannot carry.
pub(crate) fn check(files: &[TemplateFile]) -> Result<(), (String, String)> {
    for (at, file) in files.iter().enumerate() {
        if let Some(problem) = file.problem() {
            return Err((file.name.clone(), problem));
        }
        if files[..at].iter().any(|earlier| earlier.name.eq_ignore_ascii_case(&file.name)) {
            return Err((file.name.clone(), "there is another file of this name".to_owned()));
        }
    }
    let last = || files.last().map_or_else(String::new, |file| file.name.clone());
    if files.len() > FILES_MAX {
        return Err((last(), format!("at most {FILES_MAX} files are possible")));
    }
    if files.iter().map(|file| file.content.len()).sum::<usize>() > FILES_BYTES_MAX {
        let problem = format!(
            "with it the files have more than {} KiB, which every mail would carry",
            FILES_BYTES_MAX / 1024
        );
        return Err((last(), problem));
    }
    Ok(())
}

/// What a message calls an inline file.
pub(crate) fn content_id(name: &str) -> String {
    format!("{name}@{ID_DOMAIN}")
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn file(name: &str, content_type: &str, content: &[u8], inline: bool) -> TemplateFile {
        TemplateFile {
            name: name.to_owned(),
            content_type: content_type.to_owned(),
            content: content.to_vec(),
            inline,
        }
    }

    #[test]
    fn a_text_says_its_charset_where_it_has_one_to_say() {
        let table = [
            (file("a.txt", "text/plain", "Grüße".as_bytes(), false), "text/plain; charset=utf-8"),
            (file("a.txt", "text/plain", b"Gr\xFC\xDFe", false), "text/plain"),
            (file("a.txt", "text/plain", b"Hi", false), "text/plain"),
            (file("a.pdf", "application/pdf", "%PDF-ü".as_bytes(), false), "application/pdf"),
        ];
        for (file, full_type) in table {
            assert_eq!(file.encode().content_type, full_type);
        }
    }

    #[test]
    fn only_harmless_files_are_carried() {
        let png = b"\x89PNG\r\n\x1a\n...".as_slice();
        let good = [
            file("Logo-1_a.PNG", "image/png", png, true),
            file("terms.pdf", "application/pdf", b"%PDF-1.7", false),
        ];
        assert_eq!(check(&good), Ok(()));
        let table = [
            (file("a.exe", "application/octet-stream", b"MZ", false), "these content types"),
            (file("a.html", "text/html", b"<p>", false), "these content types"),
            (file("a.svg", "image/svg+xml", b"<svg>", true), "these content types"),
            (file("a.zip", "application/zip", b"PK\x03\x04", false), "these content types"),
            (file("a.exe", "application/pdf", b"%PDF-1.7", false), "ends with .pdf"),
            (file("a.pdf.js", "application/pdf", b"%PDF-1.7", false), "ends with .pdf"),
            (file("a.jpg", "image/jpeg", png, false), "its content"),
            (file("a.txt", "text/plain", b"", false), "its content"),
            (file("a.pdf", "application/pdf", b"%PDF-1.7", true), "only an image"),
            (file("../a.png", "image/png", png, true), "a name has"),
            (file("a b.png", "image/png", png, true), "a name has"),
            (file("a\r\n.png", "image/png", png, true), "a name has"),
            (file("\u{202e}gnp.png", "image/png", png, true), "a name has"),
            (file("", "image/png", png, true), "a name has"),
            (file(&format!("{}.png", "a".repeat(97)), "image/png", png, true), "a name has"),
            (file("LOGO-1_A.png", "image/png", png, true), "another file"),
        ];
        for (bad, words) in table {
            let files = [good[0].clone(), bad];
            let (name, problem) = check(&files).unwrap_err();
            assert_eq!(name, files[1].name);
            assert!(problem.contains(words), "{name:?}: {problem}");
        }
    }

    #[test]
    fn files_are_few_and_small() {
        let large = |name: &str| file(name, "text/plain", &vec![b'x'; FILES_BYTES_MAX / 2], false);
        assert_eq!(check(&[large("a.txt"), large("b.txt")]), Ok(()));
        let (name, problem) =
            check(&[large("a.txt"), large("b.txt"), file("c.txt", "text/plain", b"x", false)]).unwrap_err();
        assert!(name == "c.txt" && problem.contains("256 KiB"), "{name} {problem}");
        let many: Vec<_> =
            (0..=FILES_MAX).map(|at| file(&format!("{at}.txt"), "text/plain", b"x", false)).collect();
        assert!(check(&many).unwrap_err().1.contains("20 files"));
        assert_eq!(check(&many[1..]), Ok(()));
    }

    #[test]
    fn lines_of_base64_are_short() {
        let body = file("a.txt", "text/plain", &[0xFF; 200], false).encode().body;
        let lines: Vec<&str> = std::str::from_utf8(&body).unwrap().split("\r\n").collect();
        assert_eq!(lines.iter().map(|line| line.len()).collect::<Vec<_>>(), [76, 76, 76, 40]);
        assert_eq!(STANDARD.decode(lines.concat()).unwrap(), [0xFF; 200]);
    }
}
