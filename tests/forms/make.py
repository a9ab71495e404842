"""Writes the input files below `fixtures/`: the same bytes on every run. `python3 tests/forms/make.py`

What is expected of them is not written here: see README.md. Forms that are large, or encrypted, are made by `src/made.rs`.
"""

import csv
import gzip
import hashlib
import io
import json
import pathlib
import zipfile

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE / "fixtures"
PACKED = HERE / "../../functions/import/fixtures/packed"
ROWS = [["email", "name"], ["anna@example.com", "Anna"], ["carl@example.com", "Carl"]]
TEXT = "email,name\r\nanna@example.com,Anna\r\ncarl@example.com,Carl\r\n"


def form(name, content, ending=".csv", **call):
    path = FIXTURES / (name + ending)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    if call:
        text = json.dumps(call, ensure_ascii=False, indent=2)
        path.with_suffix("").with_suffix(".call.json").write_text(text + "\n")


def by_python(rows, **dialect):
    """As Python's `csv` writes it: CR LF, quotation marks where they are needed."""
    out = io.StringIO(newline="")
    csv.writer(out, **dialect).writerows(rows)
    return out.getvalue()


def by_excel(rows, delimiter=";"):
    """As Excel saves "CSV (delimited)" in a country with decimal commas: semicolons, CR LF, no quotation mark that is not needed."""
    return by_python(rows, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL, lineterminator="\r\n")


def delimiters():
    for name, delimiter in [("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("pipe", "|")]:
        form(f"delimiter/{name}-detected", by_python(ROWS, delimiter=delimiter))
        others = "".join(other for other in ",;\t|" if other != delimiter)
        misleading = [["email", f"a{others}b"], ["anna@example.com", others], ["carl@example.com", ""]]
        form(f"delimiter/{name}-given", by_python(misleading, delimiter=delimiter), overrides={"delimiter": delimiter})
    form("delimiter/none", "email\nanna@example.com\ncarl@example.com\n")
    names = "name, first;email;notes, remarks\r\nAnna;anna@example.com;\r\nCarl;carl@example.com;a, b\r\n"
    form("delimiter/commas-in-names", names)
    form("delimiter/sep-semicolon", "sep=;\r\n" + by_excel([["email", "a,b"], ["anna@example.com", "1,2"]]))
    form("delimiter/sep-tab", "SEP=\t\r\nemail\tname\r\nanna@example.com\tAnna\r\n")
    form("delimiter/sep-pipe-utf-8-bom", "\ufeffsep=|\r\nemail|name\r\nanna@example.com|Anna\r\n")
    form("delimiter/sep-quoted", '"sep=,"\nemail,name\nanna@example.com,Anna\n')
    form("delimiter/sep-against-the-profile", "sep=;\nemail,a;b\nanna@example.com,c;d\n", overrides={"delimiter": ","})
    form("delimiter/sep-unknown", "sep=:\nemail:name\nanna@example.com:Anna\n")
    form("delimiter/given-unknown", "email:name\nanna@example.com:Anna\n", overrides={"delimiter": ":"})


WEST = [["email", "Straße", "Größe"], ["anna@example.com", "Königsallee", "½"], ["carl@example.com", "Rue de l'Évêché", "Ærø"]]
EURO = [["email", "Name", "Preis"], ["anna@example.com", "Müller", "10 €"], ["carl@example.com", "Šimon", "20 €"]]
POLISH = [["email", "imię"], ["a@example.com", "Łukasz Wójcik"], ["b@example.com", "Zbigniew Dąbrowski"],
          ["c@example.com", "Małgorzata Kamińska"], ["d@example.com", "Żaneta Śląska"], ["e@example.com", "Krzyś Źrebiński"]]
RUSSIAN = [["email", "имя"], ["a@example.com", "Анна Каренина"], ["b@example.com", "Фёдор Достоевский"], ["c@example.com", "Иван Тургенев"]]
JAPANESE = [["email", "氏名"], ["a@example.com", "山田太郎"], ["b@example.com", "鈴木一郎"], ["c@example.com", "さとうはなこ"]]


def charsets():
    west, euro, polish = by_excel(WEST), by_excel(EURO), by_excel(POLISH)
    form("charset/ascii", TEXT)
    form("charset/utf-8", west + "d@example.com;Иван;李\r\n")
    form("charset/utf-8-bom", ("\ufeff" + west).encode())
    form("charset/utf-8-bom-against-the-profile", ("\ufeff" + west).encode(), overrides={"charset": "windows-1252"})
    for order, codec in [("le", "utf-16-le"), ("be", "utf-16-be")]:
        text = by_python(EURO + [["ivan@example.com", "Иван", "𝄞"]], delimiter="\t")
        form(f"charset/utf-16-{order}-bom", ("\ufeff" + text).encode(codec))
        form(f"charset/utf-16-{order}-detected", text.encode(codec))
        form(f"charset/utf-16-{order}-given", text.encode(codec), overrides={"charset": f"UTF-16{order}"})
    form("charset/utf-16-le-half-a-pair", (text.encode("utf-16-le") + b"x\0@\0e\0.\0d\0e\0\t\0\x3d\xd8\t\0\r\0\n\0"),
         overrides={"bad_rows_max_percent": 50})
    form("charset/utf-16-le-odd-end", text.encode("utf-16-le") + b"x",
         overrides={"bad_rows_max_percent": 50})
    form("charset/windows-1252-given", euro.encode("cp1252"), overrides={"charset": "windows-1252"})
    form("charset/windows-1252-detected", euro.encode("cp1252"))
    form("charset/iso-8859-1-given", west.replace("Ærø", "Aero").encode("latin-1"), overrides={"charset": "ISO-8859-1"})
    form("charset/iso-8859-1-detected", west.encode("latin-1"))
    form("charset/iso-8859-2-given", polish.encode("iso-8859-2"), overrides={"charset": "iso-8859-2"})
    form("charset/iso-8859-2-detected", polish.encode("iso-8859-2"))
    form("charset/windows-1250-detected", polish.encode("cp1250"))
    form("charset/iso-8859-15-given", euro.encode("iso-8859-15"), overrides={"charset": "ISO-8859-15"})
    form("charset/iso-8859-15-not-told-from-windows-1252", euro.encode("iso-8859-15"))
    form("charset/windows-1251-detected", by_excel(RUSSIAN).encode("cp1251"))
    form("charset/shift-jis-detected", by_excel(JAPANESE).encode("shift_jis"))
    form("charset/unknown", TEXT, overrides={"charset": "klingon"})
    form("charset/utf-8-given-and-not-so", euro.encode("cp1252"), overrides={"charset": "utf-8"})
    form("charset/utf-8-given-and-some-rows-not-so", TEXT.encode() + b"d@example.com,M\xfcller\r\n",
         overrides={"charset": "utf-8", "bad_rows_max_percent": 50})
    mixed = "".join(f"p{n}@example.com;Jörg {n};\n" for n in range(1, 12)).encode()
    form("charset/utf-8-with-a-broken-row", b"email;name;city\n" + mixed + b"q@example.com;J\xf6rg;\nr@example.com;J\xc3;\xb6rg\n",
         overrides={"bad_rows_max_percent": 20})
    form("charset/undefined-byte", "email;Όνομα\na@example.com;Μαρία\n".encode("iso-8859-7") + b"b@example.com;\xae\n",
         overrides={"charset": "iso-8859-7", "bad_rows_max_percent": 50})


def lines():
    for name, end in [("cr", "\r"), ("lf", "\n"), ("crlf", "\r\n")]:
        form(f"lines/{name}", by_python(ROWS + [["nobody", ""]], lineterminator=end), overrides={"bad_rows_max_percent": 50})
    form("lines/mixed", "email,name\r\nanna@example.com,Anna\ncarl@example.com,Carl\rnobody,\n\rdora@example.com,Dora\r\n",
         overrides={"bad_rows_max_percent": 50})
    form("lines/none-at-the-end", TEXT.strip())
    form("lines/empty-ones", "\r\n\nemail,name\r\n\r\nanna@example.com,Anna\n\n\n\rcarl@example.com,Carl\r\n\r\n\r\n")
    form("lines/blank-rows", "email;name;city\r\n;;;\r\nanna@example.com;Anna;Bonn\r\n;;\r\n \t; ;\r\n;\r\n \r\n"
         'carl@example.com;Carl;\r\n"";"";""\r\n;;;;;;\r\n')


def quotes():
    quoted = [["email", "name", "note"], ["anna@example.com", "Anna", "one\r\ntwo"], ["carl@example.com", "Carl", "\r\n\n\r"],
              ["nobody", "", ""], ["dora@example.com", "Dora", ""]]
    form("quotes/line-breaks", by_python(quoted), overrides={"bad_rows_max_percent": 50})
    form("quotes/line-breaks-cr", by_python(quoted, lineterminator="\r"), overrides={"bad_rows_max_percent": 50})
    form("quotes/line-breaks-in-the-header", 'email,"first\r\nname"\r\nanna@example.com,Anna\r\nnobody,\r\n', overrides={"bad_rows_max_percent": 50})
    form("quotes/doubled", by_python([["email", "name"], ["anna@example.com", 'Anna "Ann" B.'], ["carl@example.com", '"']]))
    form("quotes/delimiters", by_python([["email", "name"], ["anna@example.com", "B., Anna"], ["carl@example.com", ",,"]]))
    form("quotes/all", by_python(ROWS + [["dora@example.com", ""]], quoting=csv.QUOTE_ALL))
    form("quotes/in-the-middle", 'email,disk,name\nanna@example.com,5" disk,Anna "Ann" B.\ncarl@example.com,3.5",""Carl""\n')
    form("quotes/behind-the-closing-one", 'email,name\nanna@example.com,"An"na\ncarl@example.com,"Carl" "C."\ndora@example.com,"Dora" \n')
    form("quotes/behind-a-blank", 'email,name\nanna@example.com, "Anna"\ncarl@example.com,"Carl"\n')
    form("quotes/never-closed", 'email,name\nanna@example.com,Anna\ncarl@example.com,"Carl\ndora@example.com,Dora\n')
    form("quotes/never-closed-in-the-header", 'email,"name\nanna@example.com,Anna\n')
    form("quotes/never-closed-at-the-end", 'email,name\nnobody,\nanna@example.com,"')


def columns():
    data = "7,anna@example.com,Anna\n8,carl@example.com,Carl\n"
    form("columns/no-header", data, overrides={"header": False})
    form("columns/no-header-mapped-by-number", data,
         overrides={"header": False, "mapping": {"1": "id", "2": "e-mail", "3": "name"}, "key_column": "id"})
    form("columns/no-header-address-by-number", data.replace("Anna", "anna@example.org").replace("Carl", "carl@example.org"), overrides={"header": False, "address_column": "3"})
    form("columns/no-header-and-no-address", "1,Anna\n2,Carl\n", overrides={"header": False})
    form("columns/header-missing", data)
    form("columns/names-of-the-address", "id,E-Mail-Adresse,name\n1,anna@example.com,Anna\n")
    form("columns/address-given", "email,Kontakt\nanna@example.com,carl@example.com\n", overrides={"address_column": "kontakt"})
    form("columns/address-given-and-missing", TEXT, overrides={"address_column": "kontakt"})
    form("columns/key", "Kundennummer,email\nK1,anna@example.com\n K2 ,carl@example.com\n,dora@example.com\n", overrides={"key_column": "kundennummer"})
    form("columns/key-missing", TEXT, overrides={"key_column": "kundennummer"})
    form("columns/mapped", "Vorname,Adresse\nAnna,anna@example.com\n", overrides={"mapping": {"Vorname": "first name", "adresse": "email"}})
    form("columns/duplicate-names", "email,city,City,city 2,email\nanna@example.com,a,b,c,carl@example.com\n")
    form("columns/empty-names", 'email,,name,"",\nanna@example.com,a,b,c,d\ncarl@example.com,a,b\n')
    form("columns/tidy-names", '"\ufeffemail", first  name ,"a\tb","x' + "y" * 250 + '"\nanna@example.com,Anna,,\n')
    form("columns/rows-short-and-long", "email,name,city,,\nanna@example.com,Anna\ncarl@example.com,Carl,Bonn\ndora@example.com,Dora,Bonn,x,y,z\n"
         "emil@example.com,Emil,Bonn,,,,\nfay@example.com,Fay,Bonn,x,y, ,\n", overrides={"bad_rows_max_percent": 50})


def addresses():
    bad = ["", "anna", "anna@b@example.com", "@example.com", ".anna@example.com", "an..na@example.com", "an na@example.com",
           "Anna <anna@example.com>", '"anna@example.com', '""@example.com', "mül\u00adler@example.com", "anna@", "anna@localhost",
           "anna@example..com", "anna@-example.com", "anna@exa_mple.com", "anna@[127.0.0.1]", "anna@127.0.0.1",
           "l" * 65 + "@example.com", "a@" + "abcdefgh." * 28 + "example.com", "anna@" + "l" * 64 + ".example", "anna@xn--a.example"]
    rows = [["email", "nr"], *[[address, nr] for nr, address in enumerate(bad, 2)], ["anna@example.com", ""]]
    form("address/every-error", by_python(rows), overrides={"bad_rows_max_percent": 99})
    good = [" Anna.Muster+x@EXAMPLE.com ", "\u200banna@example.com", '"a b@c"@example.com', '"Anna"@example.com', "o'neil@sub.example.co.uk",
            "l" * 64 + "@example.com", "1@2.example"]
    form("address/as-written", by_python([["email", "nr"], *[[address, nr] for nr, address in enumerate(good, 2)]]))
    idn = ["info@Müller.example", "info@xn--mller-kva.example", "info@例え.テスト", "info@faß.example", "info@пример.испытание", "info@mu\u0308ller.example"]
    form("address/international-domains", by_python([["email", "nr"], *[[address, nr] for nr, address in enumerate(idn, 2)]]))
    beyond = ["müller@example.com", "MU\u0308LLER@example.com", "用户@example.com", "\"mü ller\"@example.com"]
    form("address/letters-beyond-ascii", by_python([["email", "nr"], *[[address, nr] for nr, address in enumerate(beyond, 2)]]))
    form("address/repeated", "email\nanna@example.com\nANNA@Example.com\ncarl@example.com\n\"\"\"anna\"\"@example.com\"\n")


def whole_files():
    form("empty/no-byte", "")
    form("empty/line-breaks-alone", "\r\n\r\n")
    form("empty/header-alone", "email,name\r\n")
    form("empty/blank-rows-alone", "email,name\r\n,\r\n,\r\n")
    form("empty/mark-alone", "\ufeff")
    nine = "email\n" + "".join(f"p{n}@example.com\n" for n in range(1, 10))
    form("bad-rows/at-the-limit", nine + "nobody\n")
    form("bad-rows/above-the-limit", nine.replace("p9@example.com\n", "") + "nobody\n")
    form("bad-rows/at-the-profiles-limit", "email\nanna@example.com\nnobody\n", overrides={"bad_rows_max_percent": 50})
    form("bad-rows/above-the-profiles-limit", "email\nanna@example.com\nnobody\nno one\n", overrides={"bad_rows_max_percent": 50})
    form("bad-rows/none-allowed", nine + "nobody\n", overrides={"bad_rows_max_percent": 0})
    form("bad-rows/nothing-left", "email\nnobody\n", overrides={"bad_rows_max_percent": 100})
    form("bad-rows/nul", b"email,name\nanna@example.com,Anna\ncarl@example.com,C\0arl\n\0dora@example.com,Dora\n\0\n",
         overrides={"bad_rows_max_percent": 75})
    size = len(TEXT)
    form("announced/size", TEXT, size=size)
    form("announced/size-differs", TEXT, size=size + 1)

    digest = hashlib.sha256(TEXT.encode()).hexdigest()
    form("announced/digest", TEXT, sha256=digest.upper())
    form("announced/digest-differs", TEXT, sha256="0" * 64)
    form("announced/encryption-missing", TEXT, overrides={"pgp_required": True})


def zipped(files, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, (2026, 11, 24, 0, 0, 0)), content, method)
    return out.getvalue()


def packed():
    one = gzip.compress(TEXT.encode(), mtime=0)
    form("packed/gzip", one, ".csv.gz")
    form("packed/gzip-of-two-members", gzip.compress(TEXT[:40].encode(), mtime=0) + gzip.compress(TEXT[40:].encode(), mtime=0), ".csv.gz")
    form("packed/gzip-of-utf-16", gzip.compress(("\ufeff" + by_python(EURO, delimiter="\t")).encode("utf-16-le"), mtime=0), ".csv.gz")
    form("packed/gzip-cut", one[:-5], ".csv.gz")
    changed = bytearray(one)
    changed[-6] ^= 1
    form("packed/gzip-changed", bytes(changed), ".csv.gz")
    form("packed/gzip-twice", gzip.compress(one, mtime=0), ".csv.gz")
    form("packed/gzip-of-nothing", gzip.compress(b"", mtime=0), ".csv.gz")
    form("packed/gzip-named-csv", one)
    form("packed/gzip-size-announced", one, ".csv.gz", size=len(one))
    form("packed/zip-of-one", zipped([("list.csv", TEXT)]), ".zip")
    form("packed/zip-of-one-in-a-folder", zipped([("lists/", ""), ("lists/list.csv", TEXT), ("__MACOSX/lists/._list.csv", "x")]), ".zip")
    form("packed/zip-of-two", zipped([("one.csv", TEXT), ("two.csv", TEXT)]), ".zip")
    form("packed/zip-of-none", zipped([]), ".zip")
    for name, source in [("zip-with-a-password", "zip-password.zip"), ("zip-by-info-zip", "zip.zip"), ("zip-streamed", "zip-streamed.zip"), ("zip-by-another-method", "zip-bzip2.zip"),
                         ("tar", "tar.tar.gz"), ("bzip2", "bzip2.bz2")]:
        form(f"packed/{name}", (PACKED / source).read_bytes(), source[source.index("."):])
    form("foreign/workbook", (PACKED / "workbook.xlsx").read_bytes(), ".xlsx")
    form("foreign/workbook-named-csv", (PACKED / "workbook.xlsx").read_bytes())
    form("foreign/open-document", (PACKED / "sheet.ods").read_bytes(), ".ods")
    form("foreign/old-workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), ".xls")
    form("foreign/pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n", ".pdf")
    form("foreign/web-page", "\r\n<!DOCTYPE html><table><tr><td>email</td></tr></table>\n", ".xls")
    form("foreign/utf-32", ("\ufeff" + TEXT).encode("utf-32-le"))


def main():
    for path in FIXTURES.rglob("*"):
        if path.is_file() and path.suffix != ".expected":
            path.unlink()
    for make in [delimiters, charsets, lines, quotes, columns, addresses, whole_files, packed]:
        make()


main()
