use super::*;

fn styled(style: &str, body: &str) -> String {
    let source = format!("<style>{style}</style>{body}");
    let inlined = inline(&source).unwrap();
    assert_eq!(inlined.matches('\n').count(), source.matches('\n').count(), "{inlined}");
    inlined.strip_prefix(&format!("<style>{style}</style>")).expect("the style element stays").to_owned()
}

#[test]
fn rules_come_into_the_elements_that_they_are_for() {
    let table = [
        ("p{color:red}", "<p>a</p>", "<p style=\"color: red;\">a</p>"),
        (".b{margin:0}", "<P CLASS=b id=x>a", "<P style=\"margin: 0;\" CLASS=b id=x>a"),
        ("p{font-family:\"A B\",serif}", "<p>a", "<p style=\"font-family: 'A B',serif;\">a"),
        ("p{color:red}", "<p style='margin:0'>a", "<p style='color: red;margin: 0'>a"),
        ("p{color:red}", "<p style='color:blue'>a", "<p style='color: blue'>a"),
        ("p{color:red}", "<p style>a", "<p style=\"color: red\">a"),
        ("p{color:red}", "<p style=margin:0>a", "<p style=\"color: red;margin: 0\">a"),
        ("p{color:red\n;margin\n:0}", "<p\nstyle='top:\n0'>a", "<p\nstyle='color: red;margin: 0;top: 0\n'>a"),
        (
            "/* it's \" */p{font:\"Bo's\"}",
            "<p style='top:0'>a",
            "<p style='font: &#39;Bo\\27 s&#39;;top: 0'>a",
        ),
        (
            "p{color:red} #x p.y > b{top:0}",
            "<div id=x><p class='y z'><b>a</b></p></div>",
            "<div id=x><p style=\"color: red;\" class='y z'><b style=\"top: 0;\">a</b></p></div>",
        ),
        (
            "a:hover{color:red} @media (max-width:9px){p{top:0}} p::before{top:0}",
            "<p><a>a</a></p>",
            "<p><a>a</a></p>",
        ),
        ("p{", "<p>a", "<p>a"),
        ("i{top:0}", "<p style=\"font:&quot;A&quot;\nb\">a", "<p style=\"font:&quot;A&quot;\nb\">a"),
        ("", "<p style='{{ x }}'>a", "<p style='{{ x }}'>a"),
    ];
    for (style, body, expected) in table {
        assert_eq!(styled(style, body), expected, "{style} {body}");
    }
}

#[test]
fn parts_of_the_template_stay_as_they_are() {
    let table = [
        // Between cells and rows, where a parser would move text out of the table.
        (
            "td{top:0}",
            "<table>{% for x in y %}<tr><td>{{ x }}</td></tr>{% else %}<tr><td>-{% endfor %}</table>",
            "<table>{% for x in y %}<tr><td style=\"top: 0;\">{{ x }}</td></tr>{% else %}<tr><td style=\"top: 0;\">-{% endfor %}</table>",
        ),
        (
            "p{top:0}",
            "{% if a < 1 %}<p>{% else %}<p class=x>{% endif %}{# <p> #}{% raw %}<p>{% endraw %}",
            "{% if a < 1 %}<p style=\"top: 0;\">{% else %}<p style=\"top: 0;\" class=x>{% endif %}{# <p> #}{% raw %}<p>{% endraw %}",
        ),
        // The rules come before what a field may say.
        ("p{top:0}", "<p style=\"color:{{ c }}\">", "<p style=\"top: 0; color:{{ c }}\">"),
        (
            "p{top:0}",
            "<p style='{% if x %}top:1{% endif %}'>",
            "<p style='top: 0; {% if x %}top:1{% endif %}'>",
        ),
        // Which classes these elements have is not known before somebody's fields are.
        (".a{top:0}", "<p class=\"{% if x %}a{% endif %}\">", "<p class=\"{% if x %}a{% endif %}\">"),
        (".a{top:0}", "<p {% if x %}class=a{% endif %}>", "<p {% if x %}class=a{% endif %}>"),
        (".a{top:0}", "<p class='a-{{ x }} {{ y }}a'>", "<p class='a-{{ x }} {{ y }}a'>"),
        (".a{top:0}", "<p class='{{ y }} a'>", "<p style=\"top: 0;\" class='{{ y }} a'>"),
        ("p{top:0}", "<p title='{{ \"a>b\" }}'>", "<p style=\"top: 0;\" title='{{ \"a>b\" }}'>"),
    ];
    for (style, body, expected) in table {
        assert_eq!(styled(style, body), expected, "{style} {body}");
    }
}

#[test]
fn what_is_not_for_every_recipient_and_reader_stays_in_its_element() {
    for source in [
        "<style>p{color:{{ c }}}</style><p>",
        "<style>{% if x %}p{top:0}{% endif %}</style><p>",
        "{% if x %}<style>p{top:0}</style>{% endif %}<p>",
        "<style media=print>p{top:0}</style><p>",
        "<style media='(max-width: 600px)'>p{top:0}</style><p>",
        "<link rel=stylesheet href='https://a.example/x.css'><style>@import 'x.css';</style><p>",
        "<!--[if mso]><style>p{top:0}</style><![endif]--><p>",
        "<script>'<style>p{top:0}</style>'</script><p>",
        "<style>path{top:0}</style><svg><path/></svg>",
        "no HTML at all",
    ] {
        assert_eq!(inline(source).unwrap(), source);
    }
    let source =
        "<style media='screen'>p{top:0}</style><!--[if mso]><p><![endif]--><![if !mso]><p><![endif]>";
    let expected = source.replace("mso]><p><![endif]>", "mso]><p style=\"top: 0;\"><![endif]>");
    assert_eq!(inline(source).unwrap(), expected);
}

#[test]
fn nothing_is_moved_however_it_is_nested() {
    let source = "<style>*{top:0}</style><table><div>a<tr><b><p>x</b>y</p></table></i><td>z</body><em>e";
    let inlined = inline(source).unwrap();
    assert_eq!(inlined.replace(" style=\"top: 0;\"", ""), source);
}

#[test]
fn hostile_sources_are_refused_before_they_cost_much() {
    let rules = |count: usize| format!("<style>{}</style>", "b b b b i{top:0}".repeat(count));
    for source in [
        format!("{}{}", rules(1), "<b>".repeat(100_000)),
        format!("{}{}", rules(1), "<path/>".repeat(100_000)),
        format!("{}{}{}", rules(1), "<font>".repeat(240), "<p>".repeat(50_000)),
        format!("{}{}", rules(10_000), "<i></i>".repeat(30_000)),
    ] {
        assert_eq!(inline(&source), Err(TOO_MUCH));
    }
    let deep = format!("{}{}", rules(1), "<div>".repeat(DEPTH_MAX - 1));
    assert!(inline(&deep).is_ok());
    // Without a rule nothing is parsed.
    assert!(inline(&"<b>".repeat(100_000)).is_ok());
}

#[test]
fn a_whole_newsletter() {
    let source = include_str!("../../../fixtures/newsletter.html");
    insta::assert_snapshot!(inline(source).unwrap());
}
