use contract::{CampaignId, MailId, TenantId};

use super::*;
use crate::{AddressKey, Kind, Links, peek};

const KEY: [u8; 32] = [7; 32];
const FOOT: &str = "<a href=\"{{ unsubscribe_url }}\">out</a>";

fn links() -> Links {
    Links::new("https://m.example", "b.example", TenantId(1), CampaignId(2), 0, &KEY).unwrap()
}

fn compile(html: &str) -> Result<Compiled, TemplateError> {
    Template { subject: "Hi", html: &format!("{html}{FOOT}"), text: None }.compile()
}

fn render(compiled: &Compiled, fields: &[(&str, &str)]) -> Result<Rendered, RenderError> {
    compiled.render(fields.iter().copied(), &links(), MailId(3), AddressKey([9; 16]))
}

/// The targets of all click links, each verified.
fn targets(html: &str) -> Vec<(u32, String)> {
    let clicks = html.split("https://m.example/c/").skip(1).map(|click| {
        let (token, rest) = click.split_once("?u=").unwrap();
        let target = percent_decode(rest.split(['"', '\'']).next().unwrap());
        let claim = peek(token).unwrap().verify_click(&KEY, &target).unwrap();
        let Kind::Click { link } = claim.kind else { panic!("no click") };
        (link, target)
    });
    clicks.collect()
}

fn percent_decode(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_mail_is_rendered() {
    let html = "<html><body><p>Hello {{ name }} $$LAST NAME$$</p><a href='https://shop.example/?a=1&amp;n={{ name }}'>Shop</a>\
                {{ unsubscribe_url }}</body></html>";
    let template =
        Template { subject: "For {{ name }}\r\nBcc: x@y.example", html, text: None }.compile().unwrap();
    let rendered =
        render(&template, &[("name", "A&B <ü>"), ("last_name", "O'Neil"), ("unused", "x")]).unwrap();
    assert_eq!(rendered.subject, "For A&B <ü> Bcc: x@y.example");
    assert!(rendered.html.contains("Hello A&amp;B &lt;ü&gt; O&#x27;Neil"));
    assert!(rendered.html.contains(&format!(">{}<", "Shop")));
    assert_eq!(targets(&rendered.html), [(0, "https://shop.example/?a=1&n=A&B%20%3C%C3%BC%3E".to_owned())]);
    let pixel = rendered.html.split_once("<img src=\"https://m.example/o/").unwrap().1;
    assert!(pixel.ends_with("</body></html>"));
    assert!(rendered.text.starts_with("Hello A&B <ü> O'Neil\n\nShop (https://shop.example/?a=1&n=A&B <ü>)"));
    assert!(rendered.text.contains(&rendered.unsubscribe_url));
    assert_eq!(format!("{rendered:?} {template:?}"), "Rendered(..) Compiled { links: 1, .. }");
}

#[test]
fn links_are_numbered_and_listed() {
    let html = "<a href=https://a.example>1</a>\n<map><area href=\"HTTPS://Bücher.example:8443/x?y={{ z }}&amp;w\"></map>\
                <a href=\"mailto:x@y.example\">m</a><a href=\"#top\">t</a><!-- <a href=\"https://c.example\">c</a> -->";
    let compiled = compile(html).unwrap();
    let listed: Vec<_> =
        compiled.links().iter().map(|link| (link.number, link.url.as_str(), link.line)).collect();
    assert_eq!(
        listed,
        [(0, "https://a.example", 1), (1, "https://xn--bcher-kva.example:8443/x?y={{ z }}&w", 2)]
    );
    let rendered = render(&compiled, &[("z", "ä \"/\"")]).unwrap();
    let second = "https://xn--bcher-kva.example:8443/x?y=%C3%A4%20%22/%22&w".to_owned();
    assert_eq!(targets(&rendered.html), [(0, "https://a.example".to_owned()), (1, second)]);
    assert!(rendered.html.contains("href=\"mailto:x@y.example\"") && rendered.html.contains("href=\"#top\""));
}

#[test]
fn fields_never_reach_scheme_or_host() {
    let table = [
        "<a href=\"{{ url }}\">x</a>",
        "<a href=\"{{ scheme }}://a.example/\">x</a>",
        "<a href=\"https://{{ host }}/\">x</a>",
        "<a href=\"https://a.example{{ path }}\">x</a>",
        "<a href=\"https://a.example:{{ port }}/\">x</a>",
        "<a href=\"{% if x %}https://a.example{% endif %}\">x</a>",
        "<a href=\"https://user@a.example/\">x</a>",
        "<a href=\"https://a.example\\@b.example/\">x</a>",
        "<a href=\"https:///x\">x</a>",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<a href=\"/relative\">x</a>",
        "<a\nhref=\"ftp://a.example/\">x</a>",
    ];
    for html in table {
        let error = compile(html).unwrap_err();
        assert!(matches!(error, TemplateError::Link { .. }), "{html}: {error}");
    }
    assert!(matches!(compile("\n\n<a href=x>x</a>").unwrap_err(), TemplateError::Link { line: 3, .. }));
}

#[test]
fn the_unsubscribe_link_is_demanded() {
    let missing = |subject, html, text| Template { subject, html, text }.compile().unwrap_err();
    assert_eq!(missing("s", "<p>x</p>", None), TemplateError::Unsubscribe { part: Part::Html });
    assert_eq!(
        missing("s", "{# {{ unsubscribe_url }} #}", None),
        TemplateError::Unsubscribe { part: Part::Html }
    );
    assert_eq!(
        missing("s", "{% raw %}{{ unsubscribe_url }}{% endraw %}", None),
        TemplateError::Unsubscribe { part: Part::Html }
    );
    assert_eq!(missing("s", FOOT, Some("bye")), TemplateError::Unsubscribe { part: Part::Text });
    assert!(Template { subject: "s", html: FOOT, text: Some("$$unsubscribe_url$$") }.compile().is_ok());
    let hidden =
        Template { subject: "s", html: FOOT, text: Some("{% if x %}{{ unsubscribe_url }}{% endif %}") }
            .compile()
            .unwrap();
    assert_eq!(render(&hidden, &[("x", "")]), Err(RenderError::Unsubscribe { part: Part::Text }));
    assert!(render(&hidden, &[("x", "1")]).is_ok());
}

#[test]
fn syntax_errors_name_part_and_line() {
    let line = |error| match error {
        TemplateError::Syntax { part, line, .. } => (part, line),
        other => panic!("{other}"),
    };
    assert_eq!(line(compile("\n\n{{ x").unwrap_err()), (Part::Html, 3));
    assert_eq!(line(compile("\n{% include 'x' %}").unwrap_err()), (Part::Html, 2));
    assert_eq!(line(compile("\n{{ x|nosuch }}").unwrap_err()), (Part::Html, 2));
    assert_eq!(line(compile("\n{{ x|_broadcast_click(0) }}").unwrap_err()), (Part::Html, 2));
    assert_eq!(line(compile(&"x".repeat(SOURCE_BYTES_MAX)).unwrap_err()), (Part::Html, 1));
    let subject = Template { subject: "{% if %}", html: FOOT, text: None }.compile().unwrap_err();
    assert_eq!(line(subject), (Part::Subject, 1));
}

#[test]
fn columns_are_checked_before_a_launch() {
    let compiled = compile("\n{{ a }} {{ b|default('x') }} {% if c is defined %}{{ c }}{% endif %}{% for i in d %}{{ i }}{% endfor %}").unwrap();
    assert_eq!(compiled.fields().iter().map(String::as_str).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    assert_eq!(compiled.check_columns(["a", "d"]), Ok(()));
    let error = compiled.check_columns(["d"]).unwrap_err();
    assert_eq!(error, TemplateError::Field { part: Part::Html, line: 2, field: "a".to_owned() });
    assert_eq!(
        render(&compiled, &[("d", "")]).unwrap_err(),
        RenderError::Field { part: Part::Html, line: 2 }
    );
    assert!(render(&compiled, &[("a", ""), ("d", "")]).is_ok());
}

#[test]
fn rendering_is_bounded() {
    let endless =
        compile("{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}").unwrap();
    assert!(matches!(render(&endless, &[]).unwrap_err(), RenderError::Fuel { part: Part::Html, .. }));
    let large = compile("{{ x }}").unwrap();
    let value = "x".repeat(OUTPUT_BYTES_MAX);
    assert_eq!(render(&large, &[("x", &value)]).unwrap_err(), RenderError::TooLong { part: Part::Html });
    let link = compile("<a href=\"https://a.example/{{ x }}\">x</a>").unwrap();
    let value = "x".repeat(crate::LINK_BYTES_MAX);
    assert!(matches!(
        render(&link, &[("x", &value)]).unwrap_err(),
        RenderError::Link { part: Part::Html, line: 1 }
    ));
}

#[test]
fn prices_in_dollars_are_no_fields() {
    let compiled = compile("costs $$ or $$$, $$Name$$ pays 5$$").unwrap();
    let rendered = render(&compiled, &[("name", "Anna\u{0}\u{7}\r\nB")]).unwrap();
    assert!(rendered.html.starts_with("costs $$ or $$$, Anna\nB pays 5$$"), "{}", rendered.html);
}
