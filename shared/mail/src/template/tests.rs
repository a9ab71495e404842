use contract::{CampaignId, MailId, TenantId};

use super::*;
use crate::{AddressKey, Kind, Links, peek};

const KEY: [u8; 32] = [7; 32];
const FOOT: &str = "<a href=\"{{ unsubscribe_url }}\">out</a>";

fn links() -> Links {
    Links::new("https://m.example", "b.example", TenantId(1), CampaignId(2), 0, &KEY).unwrap()
}

/// A template of nothing but a subject and a footer.
const BARE: Template<'static> =
    Template { locale: "en", subject: "Hi", preheader: None, html: FOOT, text: None, files: &[] };

fn compile(html: &str) -> Result<Compiled, TemplateError> {
    compile_in("en", html)
}

fn compile_in(locale: &str, html: &str) -> Result<Compiled, TemplateError> {
    Template { locale, html: &format!("{html}{FOOT}"), ..BARE }.compile()
}

fn render(compiled: &Compiled, fields: &[(&str, &str)]) -> Result<Rendered, RenderError> {
    compiled.render(fields.iter().copied(), &links(), MailId(3), AddressKey([9; 16]))
}

/// The targets of all click links, each verified.
fn targets(html: &str) -> Vec<(u32, String)> {
    let clicks = html.split("https://m.example/c/").skip(1).map(|click| {
        let (token, rest) = click.split_once("?u=").unwrap();
        let target = percent_decode(rest.split(['"', '\'']).next().unwrap());
        let claim = peek(token).unwrap().verify_with(&KEY, &target).unwrap();
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
        Template { subject: "For {{ name }}\r\nBcc: x@y.example", html, ..BARE }.compile().unwrap();
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
    let missing = |subject, html, text| Template { subject, html, text, ..BARE }.compile().unwrap_err();
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
    assert!(Template { text: Some("$$unsubscribe_url$$"), ..BARE }.compile().is_ok());
    let hidden =
        Template { text: Some("{% if x %}{{ unsubscribe_url }}{% endif %}"), ..BARE }.compile().unwrap();
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
    let subject = Template { subject: "{% if %}", ..BARE }.compile().unwrap_err();
    assert_eq!(line(subject), (Part::Subject, 1));
}

#[test]
fn columns_are_checked_before_a_launch() {
    let compiled = compile("\n{{ a }} {{ b|default('x') }} {% if c is defined %}{{ c }}{% endif %}{% for i in d %}{{ i }}{% endfor %}").unwrap();
    assert_eq!(compiled.fields().iter().map(String::as_str).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    assert_eq!(compiled.check_columns(["a", "d"]), Ok(()));
    let error = compiled.check_columns(["d"]).unwrap_err();
    assert_eq!(error, TemplateError::Field { part: Part::Html, line: 2, field: "a".to_owned() });
    assert_eq!(blank(&compiled, &[("d", "x")]), (Part::Html, 2, "a".to_owned()));
    assert!(render(&compiled, &[("a", "x"), ("d", "x")]).is_ok());
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

/// Where which field is missed.
fn blank(compiled: &Compiled, fields: &[(&str, &str)]) -> (Part, usize, String) {
    match render(compiled, fields) {
        Err(RenderError::Field { part, line, field }) => (part, line, field),
        other => panic!("{other:?}"),
    }
}

/// The HTML part without the footer and the pixel.
fn shown(compiled: &Compiled, fields: &[(&str, &str)]) -> String {
    let html = render(compiled, fields).unwrap().html;
    html.split_once("<a href=\"https://m.example/u/").unwrap().0.to_owned()
}

#[test]
fn a_blank_cell_is_missing() {
    let name = [("name", "Ann"), ("title", " ")];
    let table = [
        ("{% if title %}{{ title }} {% endif %}{{ name }}", "Ann"),
        ("{{ title|default('Dear') }} {{ name }}", "Dear Ann"),
        ("{{ title|d }}{{ name|default('x') }}", "Ann"),
        ("{% if title is defined %}{{ title }}{% else %}-{% endif %}", "-"),
        ("{% if title == 'Dr.' %}Dr. {% elif title != 'x' %}no{% endif %}", "no"),
        ("{% if title|lower in ['dr.'] or 'a' in title or not title %}no{% endif %}", "no"),
        ("{{ title if title else name }} {{ 'Dr.' if title == 'x' }}", "Ann "),
        ("{% if title != '' %}{{ title }}{% endif %}", ""),
        ("{% if title %}{% for x in title|split(';') %}{{ x }}{% endfor %}{% endif %}", ""),
    ];
    for (html, expected) in table {
        assert_eq!(shown(&compile(html).unwrap(), &name), expected, "{html}");
    }
    let missed = [
        ("\n{{ title }}", 2),
        ("{{ name }}\n\n{{ name ~ title }}", 3),
        ("{{ title|upper }}", 1),
        ("\n{{ name|default('x') }} {{ title|name }}", 2),
        ("{{ title|number }}", 1),
        ("{% for x in title %}{% endfor %}", 1),
        ("{% if title > 1 %}{% endif %}", 1),
        ("{% set x = title %}\n{% if name %}{{ title|trim|default(name) }}{% endif %}", 2),
        ("{% if name == 'Ann' %}\n{{ title }}{% endif %}", 2),
        ("<a href=\"https://a.example/?t={{ title }}\">x</a>", 1),
    ];
    for (html, line) in missed {
        assert_eq!(blank(&compile(html).unwrap(), &name), (Part::Html, line, "title".to_owned()), "{html}");
    }
    let text = format!("{FOOT}\n{{{{ title }}}}");
    let compiled = Template { text: Some(&text), ..BARE }.compile().unwrap();
    assert_eq!(blank(&compiled, &name), (Part::Text, 2, "title".to_owned()));
    let compiled = Template { preheader: Some("{{ title }}"), ..BARE }.compile().unwrap();
    assert_eq!(blank(&compiled, &name), (Part::Preheader, 1, "title".to_owned()));
    let words = render(&compiled, &name).unwrap_err().to_string();
    assert_eq!(words, "the field \"title\" is blank, preheader, line 1");
}

#[test]
fn conditions_and_loops_work_in_every_part() {
    let block = "{% set city = town|default('Bonn') %}{% if gender == 'f' %}Ms {{ name }}{% elif gender %}Mr {{ name }}{% else %}Friends{% endif %}\
                 {% for x in interests|default('')|split(';') if x %}{% if loop.first %}: {% endif %}{% if x in ['sea', 'lake'] %}{{ x|upper }}{% else %}{{ x }}{% endif %}\
                 {% if not loop.last %}, {% endif %}{% else %}.{% endfor %} {{ city }}";
    let html = format!("<p>{block}</p>{FOOT}");
    let compiled =
        Template { subject: block, preheader: Some(block), html: &html, ..BARE }.compile().unwrap();
    let table: [(&[(&str, &str)], &str); 3] = [
        (
            &[("gender", "f"), ("name", "Ann"), ("interests", "sea;hills"), ("town", "Kiel")],
            "Ms Ann: SEA, hills Kiel",
        ),
        (&[("gender", "m"), ("name", "Bob"), ("interests", "")], "Mr Bob. Bonn"),
        (&[], "Friends. Bonn"),
    ];
    for (fields, expected) in table {
        let rendered = render(&compiled, fields).unwrap();
        assert_eq!(rendered.subject, expected);
        assert!(rendered.html.contains(&format!("<p>{expected}</p>")), "{}", rendered.html);
        assert!(rendered.html.contains(&format!("mso-hide:all\">{expected}&#847;")), "{}", rendered.html);
        assert!(rendered.text.starts_with(&format!("{expected}\n")), "{}", rendered.text);
    }
}

#[test]
fn values_are_written_as_the_language_does() {
    let fields =
        [("day", "2026-03-09"), ("points", "1234567.5"), ("name", "MÜLLER-LÜDENSCHEIDT"), ("two", "2")];
    let table = [
        ("en", "{{ day|date }} {{ points|number(2) }}", "Mar 9, 2026 1,234,567.50"),
        ("en-GB", "{{ day|date('long') }} {{ points|number }}", "9 March 2026 1,234,567.5"),
        (
            "de",
            "{{ day|date('short') }} {{ day|date }} {{ day|date('long') }}",
            "09.03.26 09.03.2026 9. März 2026",
        ),
        (
            "de",
            "{{ day|date('full') }} {{ points|number(0) }} {{ name|name }}",
            "Montag, 9. März 2026 1.234.568 Müller-Lüdenscheidt",
        ),
        ("de-CH", "{{ points|number(1) }}", "1&#x27;234&#x27;567.5"),
        ("fr", "{{ day|date('full') }} {{ points|number }}", "lundi 9 mars 2026 1\u{202f}234\u{202f}567,5"),
        ("es", "{{ day|date('long') }} {{ '1234'|number }}", "9 de marzo de 2026 1234"),
        ("tr", "{{ 'DİYARBAKIR'|name }}", "Diyarbakır"),
        ("ja", "{{ day|date('long') }}", "2026年3月9日"),
        ("en-IN", "{{ points|number }}", "12,34,567.5"),
        ("de", "{{ (two|int * 1000.5)|number(2) }} {{ -7|number }}", "2.001,00 -7"),
        ("de", "{{ day|date|upper }}{% if points|number == '1.234.567,5' %}!{% endif %}", "09.03.2026!"),
    ];
    for (locale, html, expected) in table {
        let written = shown(&compile_in(locale, html).unwrap(), &fields);
        assert_eq!(written, expected, "{locale} {html}");
    }
}

#[test]
fn a_value_that_a_filter_cannot_read_is_named_by_its_field() {
    let table = [
        ("en", "\n{{ x|default('y') }}{{ day|date }}", 2, "day", Phrase::NoDate),
        ("en", "{{ slashes|date }}", 1, "slashes", Phrase::NoDate),
        ("en", "{{ day|number(2) }}", 1, "day", Phrase::NoNumber),
        ("en", "{% for d in [day] %}\n{{ d|date }}{% endfor %}", 2, "d", Phrase::NoDate),
        ("en", "{{ x|default('z')|date }} {{ day }}", 1, "x", Phrase::NoDate),
        ("en", "{{ day + 1 }}", 1, "day", Phrase::NotUsable),
    ];
    for (locale, html, line, field, problem) in table {
        let compiled = compile_in(locale, html).unwrap();
        let error = render(&compiled, &[("day", "SECRET"), ("slashes", "9/3/2026")]).unwrap_err();
        let expected = RenderError::Value { part: Part::Html, line, field: field.to_owned(), problem };
        assert_eq!(error, expected, "{html}");
        assert!(!error.to_string().contains("SECRET"));
    }
    for (locale, expected) in
        [("en-US", "Sep 3, 2026"), ("en-GB", "9 Mar 2026"), ("de", "09.03.2026"), ("fr", "9 mars 2026")]
    {
        assert_eq!(
            shown(&compile_in(locale, "{{ slashes|date }}").unwrap(), &[("slashes", "9/3/2026")]),
            expected
        );
    }
}

#[test]
fn a_template_that_asks_for_what_filters_cannot_do_is_refused() {
    for html in [
        "\n{{ x|date('shrt') }}",
        "\n{{ x|number(11) }}",
        "\n{{ x|date }}{{ x|nosuch }}",
        "\n{{ x|number(-1) }}",
    ] {
        let error = compile(html).unwrap_err();
        assert!(
            matches!(error, TemplateError::Syntax { part: Part::Html, line: 2, .. }),
            "{html}: {error:?}"
        );
    }
    for locale in ["", "tlh", "und", "english", "de_", "de-", "x-y", &"a-".repeat(40)] {
        assert!(matches!(compile_in(locale, ""), Err(TemplateError::Locale { .. })), "{locale:?}");
    }
    for locale in
        ["de", "de-AT", "pt-BR", "zh-Hant-TW", "sr-Latn", "EN-us", "nb", "hsb", "de-DE-1996", "ar-u-nu-latn"]
    {
        assert_eq!(check_locale(locale), Ok(()), "{locale}");
    }
}

#[test]
fn the_preheader_stands_first_and_is_hidden() {
    let html = "<html>\n<head><style>p{top:0}</style></head>\n<body class=x>\n<p>{{ name }}</p>{{ unsubscribe_url }}</body></html>";
    let compiled = Template { preheader: Some(" For $$Name$$\nonly "), html, ..BARE }.compile().unwrap();
    assert!(compiled.fields().contains("name"));
    let rendered = render(&compiled, &[("name", "A <b> & \"c\"")]).unwrap();
    let (_, behind) = rendered.html.split_once("<body class=x><div style=\"display:none;").unwrap();
    let (preheader, rest) = behind.split_once("</div>\n<p style=\"top: 0;\">").unwrap();
    assert!(
        preheader.contains("mso-hide:all\">For A &lt;b&gt; &amp; &quot;c&quot; only&#847;&zwnj;&nbsp;&#847;"),
        "{preheader}"
    );
    assert!(rest.starts_with("A &lt;b&gt;"));
    assert!(!rendered.text.contains("only"), "{}", rendered.text);
    let fragment = Template { preheader: Some("x"), ..BARE }.compile().unwrap();
    assert!(render(&fragment, &[]).unwrap().html.starts_with("<div style=\"display:none;"));
    assert!(
        !render(&Template { preheader: Some(" "), ..BARE }.compile().unwrap(), &[])
            .unwrap()
            .html
            .contains("display:none")
    );
    let error = Template { preheader: Some("{{ x"), ..BARE }.compile().unwrap_err();
    assert!(matches!(error, TemplateError::Syntax { part: Part::Preheader, line: 1, .. }));
    let long = Template { preheader: Some("{{ x }}"), ..BARE }.compile().unwrap();
    let error = render(&long, &[("x", &"y".repeat(SUBJECT_BYTES_MAX + 1))]).unwrap_err();
    assert_eq!(error, RenderError::TooLong { part: Part::Preheader });
}

#[test]
fn css_files_and_links_keep_their_lines() {
    let file = crate::TemplateFile {
        name: "a.png".to_owned(),
        content_type: "image/png".to_owned(),
        content: b"\x89PNG\r\n\x1a\n".to_vec(),
        inline: true,
    };
    let html = "<style>a,\nimg{top:0}</style>\n<img src='cid:a.png'>\n<a href='https://a.example/?x={{ x }}'>y</a>\n{{ z }}{{ unsubscribe_url }}";
    let compiled = Template { html, files: std::slice::from_ref(&file), ..BARE }.compile().unwrap();
    assert_eq!(compiled.links()[0].line, 4);
    assert_eq!(blank(&compiled, &[("x", "1")]), (Part::Html, 5, "z".to_owned()));
    let rendered = render(&compiled, &[("x", "1"), ("z", "2")]).unwrap();
    assert!(
        rendered.html.contains("<img style=\"top: 0;\" src='cid:a.png@files.invalid'>"),
        "{}",
        rendered.html
    );
    assert_eq!(targets(&rendered.html), [(0, "https://a.example/?x=1".to_owned())]);
    let error = Template { html, ..BARE }.compile().unwrap_err();
    assert!(
        matches!(error, TemplateError::File { file, message } if file == "a.png" && message.contains("line 3"))
    );
    let error = Template { html: FOOT, files: &[file], ..BARE }.compile().unwrap_err();
    assert!(matches!(error, TemplateError::File { .. }));
}

#[test]
fn a_masked_mail_shows_where_values_stand() {
    let html = "<p>{% if sex == \"female\" %}Dear Ms{% else %}Dear Mr{% endif %} {{ name }}, since {{ day|date }}, {{ name|safe }}{{ name|escape }}</p>\
                <a href='https://shop.example/?n={{ name }}'>Shop</a>";
    let masked = compile(html).unwrap().masked();
    let rendered = render(&masked, &[("name", "Müller"), ("sex", "female"), ("day", "2026-03-09")]).unwrap();
    assert!(
        rendered.html.contains("Dear Ms M•••••, since M•• •, ••••, M•••••M•••••</p>"),
        "{}",
        rendered.html
    );
    assert!(!rendered.html.contains("ller") && !rendered.text.contains("ller"));
    assert!(rendered.html.contains(&rendered.unsubscribe_url), "what is ours stays");
    let missing = render(&masked, &[("sex", "f"), ("day", "2026-03-09")]).unwrap_err();
    assert!(matches!(missing, RenderError::Field { field, .. } if field == "name"));
}
