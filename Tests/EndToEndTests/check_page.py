"""Checks that a page is well formed, asks nothing from elsewhere, and looks right in chromium.

usage: check_page.py index.html; chromium is used only when it is there.
"""
import html.parser
import re
import shutil
import subprocess
import sys

VOID = {"meta", "br", "img", "link", "hr", "input"}
SVG = {"line", "polyline", "circle", "rect", "path"}  # written as <line .../>


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.problems, self.ids, self.tags = [], [], set(), []

    def handle_starttag(self, tag, attributes):
        self.attributes(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        if tag not in SVG:
            self.problems.append(f"<{tag}/> is not a void element")
        self.attributes(tag, attributes)

    def attributes(self, tag, attributes):
        self.tags.append(tag)
        names = [name for name, _ in attributes]
        if len(names) != len(set(names)):
            self.problems.append(f"<{tag}> has an attribute twice")
        for name, value in attributes:
            if name.startswith("on"):
                self.problems.append(f"<{tag}> has a handler {name}")
            if name in ("src", "href", "xlink:href", "srcset", "action", "data"):
                if not (value or "").startswith(("data:image/png;base64,", "#")):
                    self.problems.append(f"<{tag} {name}={value[:60]}> is from elsewhere")
            if re.search(r"nan|inf\b", value or "") and tag in SVG | {"svg", "text"}:
                self.problems.append(f"<{tag} {name}={value}> is no place")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes nothing at {self.getpos()}")


path = sys.argv[1]
text = open(path, encoding="utf-8").read()
page = Page()
page.feed(text)
page.close()
problems = page.problems + [f"<{tag}> stays open" for tag in page.open]
for forbidden in ("script", "iframe", "object", "embed", "link", "base"):
    if forbidden in page.tags:
        problems.append(f"<{forbidden}> is not allowed")
if re.search(r"url\(|@import|@font-face", text):
    problems.append("the style asks for something from elsewhere")
for once in ("html", "head", "title", "body", "main", "h1"):
    # <title> stands in drawings too
    if page.tags.count(once) != 1 and once != "title":
        problems.append(f"<{once}> stands {page.tags.count(once)} times")
for word in ("Optional(", "SQL(", "&lt;b&gt;", "&lt;small", "&lt;span"):
    if word in text:
        problems.append(f"{word} is not for people")
if not text.startswith("<!DOCTYPE html>"):
    problems.append("no doctype")

chromium = shutil.which("chromium")
if chromium:
    import os
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             f"--user-data-dir={folder}", "--window-size=390,800", "--dump-dom",
             "file://" + os.path.abspath(path)],
            capture_output=True, text=True, timeout=120)
        if result.returncode != 0 or result.stdout.count("<h2") != text.count("<h2"):
            problems.append("chromium does not show the page: " + result.stderr[-300:])

print("\n".join(problems))
sys.exit(bool(problems))
