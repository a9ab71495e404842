"""Uses the page that unsubscribes as a recipient does: in Chromium without JavaScript, by the keyboard. axe-core looks at every page of it.

Usage: unsubscribe_page.py <URL> <Accept-Language>
Prints what each of the two pages says, as JSON. Nothing but this machine is reached.
"""

import importlib.util
import json
import os
import pathlib
import sys
import tempfile

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

# Content settings of Chromium.
BLOCKED = 2
PATIENCE_SECONDS = 60
# WCAG 2.2 to AA, and what axe-core holds to be good practice besides.
AXE = """
const told = arguments[0];
axe.run(document, {rules: {"target-size": {enabled: true}}}).then(told, error => told({failed: String(error)}));
"""


def main():
    url, languages = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        with browser(languages, scratch, scripts=True) as chromium:
            chromium.get(url)
            accessible(chromium)
            press(chromium)
            accessible(chromium)
        with browser(languages, scratch, scripts=False) as chromium:
            assert without_scripts(chromium), "scripts run"
            chromium.get(url)
            asked = told(chromium)
            press(chromium)
            print(json.dumps({"asked": asked, "done": told(chromium)}))


class browser:
    """A Chromium of its own."""

    def __init__(self, languages, scratch, scripts):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        arguments = ["--headless=new", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
        arguments += ["--disable-sync", "--disable-dev-shm-usage", f"--user-data-dir={tempfile.mkdtemp(dir=scratch)}"]
        # Names are nobody's, and addresses this machine's.
        arguments += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"]
        # It shows our own pages alone; root and many containers have no sandbox for it.
        arguments.append("--no-sandbox")
        for argument in arguments:
            options.add_argument(argument)
        preferences = {"intl.accept_languages": languages, "intl.selected_languages": languages}
        if not scripts:
            preferences["profile.managed_default_content_settings.javascript"] = BLOCKED
        options.add_experimental_option("prefs", preferences)
        service = webdriver.ChromeService(executable_path="/usr/bin/chromedriver", log_output=os.devnull)
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_page_load_timeout(PATIENCE_SECONDS)
        self.driver.set_script_timeout(PATIENCE_SECONDS)

    def __enter__(self):
        return self.driver

    def __exit__(self, *_):
        self.driver.quit()


def without_scripts(chromium):
    chromium.get("data:text/html,<title>quiet</title><script>document.title = 'loud'</script>")
    return chromium.title == "quiet"


def accessible(chromium):
    """axe-core finds nothing, whether broken or in need of a person's look."""
    library = pathlib.Path(importlib.util.find_spec("axe_playwright_python").origin).with_name("axe.min.js")
    chromium.execute_script(library.read_text(encoding="utf-8"))
    found = chromium.execute_async_script(AXE)
    assert "failed" not in found, found["failed"]
    assert len(found["passes"]) > 10, "axe-core looked at nothing"
    problems = [
        f"{rule['id']}: {rule['help']}: {node['html']}"
        for rule in found["violations"] + found["incomplete"]
        for node in rule["nodes"]
    ]
    assert not problems, f"{chromium.title}: " + "\n".join(problems)


def press(chromium):
    """The button is the first thing that the keyboard reaches."""
    before = chromium.title
    chromium.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    button = chromium.switch_to.active_element
    assert button.tag_name == "button", button.tag_name
    button.send_keys(Keys.ENTER)
    WebDriverWait(chromium, PATIENCE_SECONDS).until(lambda chromium: chromium.title != before)


def told(chromium):
    """What a reader, of whatever kind, has of the page."""
    main_region = chromium.find_element(By.TAG_NAME, "main")
    return {
        "language": chromium.find_element(By.TAG_NAME, "html").get_dom_attribute("lang"),
        "title": chromium.title,
        "heading": main_region.find_element(By.TAG_NAME, "h1").text,
        "text": main_region.find_element(By.TAG_NAME, "p").text,
        "role": main_region.aria_role,
        "buttons": [button.accessible_name for button in chromium.find_elements(By.TAG_NAME, "button")],
    }


if __name__ == "__main__":
    main()
