"""The text that the character model of the chapter Training reads: the book's own prose, as it was on a day.

    python benchmarks/book_text.py          # writes lstmlab/tasks/book.txt anew

What the chapter says about its network holds for one text. So the text is kept, and whoever edits a chapter does not
change it. The first line of the file says when it was taken; each further line is a paragraph. Code, tables, titles and
displayed equations are left out, formulas within a line become ``_``, and the letters are small.
"""

import datetime
import pathlib
import re

ROOT = pathlib.Path(__file__).parent.parent
TEXT = ROOT / "lstmlab" / "tasks" / "book.txt"
ALPHABET = "\n abcdefghijklmnopqrstuvwxyz.,;:?()'-_"
SHORTEST = 60                                   # characters of a paragraph


def prose(source):
    """Paragraphs of running text in a chapter's source, in the alphabet."""
    source = re.sub(r"\A---.*?^---$", "", source, flags=re.S | re.M)
    source = re.sub(r"^(`{3,}|:{3,}).*?^\1$", "", source, flags=re.S | re.M)
    source = re.sub(r"\$\$.*?\$\$( \(.*?\))?", "", source, flags=re.S)
    source = re.sub(r"^(\||\(|#).*$", "", source, flags=re.M)  # tables, labels, titles
    source = re.sub(r"\{[\w:-]+\}`[^`]*`|\$[^$]*\$|`[^`]*`", "_", source)
    paragraphs = [" ".join(paragraph.lower().split()) for paragraph in source.split("\n\n")]
    kept = ["".join(c for c in paragraph if c in ALPHABET) for paragraph in paragraphs]
    return [paragraph for paragraph in kept if len(paragraph) > SHORTEST]


def chapters():
    """The book's pages, in their order."""
    contents = (ROOT / "book" / "_toc.yml").read_text()
    return [ROOT / "book" / f"{name}.md" for name in re.findall(r"- file: (\S+)", contents)]


def main():
    found = [paragraph for chapter in chapters() for paragraph in prose(chapter.read_text("utf-8"))]
    heading = f"The prose of this book's {len(chapters())} pages as of {datetime.date.today().isoformat()}"
    TEXT.write_text("\n".join([heading, *found]) + "\n", encoding="utf-8")
    print(f"{heading}: {len(found)} paragraphs, {sum(map(len, found))} characters")


if __name__ == "__main__":
    main()
