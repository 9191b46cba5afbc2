"""Feedback and the class report in a real browser and on disk: complete, kind, private, inert and accessible."""

import csv
import datetime
import hashlib
import itertools
import stat
import time

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lstmlab.grading.course import CourseError
from lstmlab.grading.feedback import Outline, markdown, write_feedback
from lstmlab.grading.grade import FAILED, Mark, ungraded
from lstmlab.grading.gradebook import marks_of, record
from lstmlab.grading.markdown import safe_markdown
from lstmlab.grading.pages import plain, write_private
from lstmlab.grading.report import harmless, pseudonym, write_report
from tests.grading.made_class import SEED, SET, hand_in, make, mark

UNPROTECTED = 1281                 # width of a window in which no policy holds: for axe, and to test the text alone
WHEN = datetime.datetime(2026, 3, 2, 11)
SCRIPT = "<script>document.title = 'mine'</script>"
ACT = "document.title='mine'"
AWAY = "http://192.0.2.1"
HOSTILE = [
    SCRIPT,
    f'<img src=x onerror="{ACT}">',
    f'<svg onload="{ACT}"><script>1</script></svg>',
    f'<svg><a xlink:href="javascript:{ACT}"><text>x</text></a></svg>',
    f"[a](javascript:{ACT})",
    f'<a href="data:text/html,<script>{ACT}</script>">x</a>',
    f'<iframe srcdoc="<script>top.{ACT}</script>">',
    f"$\\href{{javascript:{ACT}}}{{x}}$ and $\\text{{<img src=x onerror={ACT}>}}$",
    f'<math><mtext><table><mglyph><style><img src=x onerror="{ACT}"></style></mglyph></table></mtext></math>',
    f'<math href="javascript:{ACT}"><mi>x</mi></math>',
    f"![x](attachment:a.svg) ![y]({AWAY}/y.png) <img src=attachment:b.svg>",
    f"<link rel=stylesheet href={AWAY}/a.css><style>@import '{AWAY}/b.css'; * {{ background: url({AWAY}/c) }}</style>",
    f"<base href={AWAY}/><form action={AWAY}/><button>go</button></form>",
    f"<meta http-equiv=refresh content='0; url={AWAY}/'>",
    f"<object data={AWAY}/o></object><embed src={AWAY}/e>",
    f"</main></body><script>{ACT}</script>",
    f'<details ontoggle="{ACT}" open>x</details>',
    f'<b style="background:url({AWAY}/d.png)">x</b><video poster={AWAY}/p.png></video>',
]


def submit(course, student, wrong=None, notebook=None, outputs=(), marks=None):
    """Enter one graded submission; `wrong` names the mistake made in a check."""
    release, = course.releases(SET)
    notebook = notebook or nbformat.read(course.root / "exercises" / SET / f"{SET}.ipynb", as_version=4)
    marks = marks or [mark(g, call, (wrong or {}).get(call.check, "")) for g, call in release.tests.items()]
    with course.gradebook() as gradebook:
        hand_in(course, gradebook, release, student, notebook, marks, WHEN, outputs=outputs)


def page_of(course, student):
    """The student's page, written now."""
    list(write_feedback(course, SET, (student,)))
    return (course.root / "class" / "feedback" / student / SET / f"{SET}.html").read_text()


def hostile_notebook(course):
    """The released notebook with every trick in Markdown and in code."""
    notebook = nbformat.read(course.root / "exercises" / SET / f"{SET}.ipynb", as_version=4)
    notebook.cells += [new_markdown_cell(trick, id=f"m{n}") for n, trick in enumerate(HOSTILE)]
    notebook.cells += [new_code_cell(trick, id=f"c{n}") for n, trick in enumerate(HOSTILE)]
    return notebook


def hostile_outputs():
    """Outputs as no sandbox lets them out, as if the executed notebook had been tampered with."""
    rich = {"text/html": SCRIPT, "image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg'>{SCRIPT}</svg>",
            "application/javascript": "document.title = 'mine'", "text/latex": HOSTILE[7], "text/plain": SCRIPT,
            "image/png": "\"><script>document.title='mine'</script>"}
    return [new_output("display_data", rich), new_output("stream", text="x\n" * 10**5),
            new_output("stream", text=f"\x1b[31m{''.join(HOSTILE)}" + "\x1b]8;;http://x\x07" * 9),
            new_output("error", ename=SCRIPT, evalue=SCRIPT, traceback=[SCRIPT] * 60)]


@pytest.fixture
def visit(browser):
    """Open a file; note what it asked for and complained about, and what ran."""
    contexts = []

    def visit(path, width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme,
                                      bypass_csp=width == UNPROTECTED)
        contexts.append(context)
        page = context.new_page()
        page.requests, page.complaints = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.goto(path.as_uri())
        return page

    yield visit
    for context in contexts:
        context.close()


# -- feedback ------------------------------------------------------------------------------------------


def test_a_page_says_the_mark_and_what_is_wrong(course):
    """The sum, each check with its parts, the mistake by name, its explanation, and where to read."""
    submit(course, "ada", {"lstm_step": "[x, h] in place of [h, x]"})
    page = page_of(course, "ada")
    for words in ("11 <small>of 17 points", "Most likely: [x, h] in place of [h, x].", "The columns of each W",
                  "Read: chapter &#34;The LSTM cell&#34;", "The parts of lstm_step", "0 of 6", "2 of 2"):
        assert words in page


def test_no_seed_and_no_answer_is_on_a_page(course):
    """What the inputs were drawn from, and what came back, is on no page."""
    submit(course, "ada")
    page = page_of(course, "ada")
    assert f"{SEED:064x}" not in page
    with course.gradebook() as gradebook:
        assert all((found.seed, found.answers) == (0, None) for *_, found in marks_of(gradebook, SET))


def test_a_cell_without_a_mark_is_never_counted_as_zero(course):
    """As long as one cell waits there is no number for the whole."""
    release, = course.releases(SET)
    marks = [Mark(g, call.check, call.points, None, "timed out", "✗ x: it did not finish.") if call.check == "sigmoid"
             else mark(g, call, "") for g, call in release.tests.items()]
    submit(course, "ada", marks=marks)
    page = page_of(course, "ada")
    assert '<p class="total wait">awaiting a look</p>' in page
    assert "of 17 points" not in page
    assert "sigmoid has none" in page


def test_manual_marks_comments_and_penalty_are_on_the_page(course):
    """What a human did is shown beside what the check said, and the late penalty is taken off."""
    submit(course, "ada", {"parameter_count": "odd"})
    with course.gradebook() as gradebook:
        gradebook.find_assignment(SET).duedate = WHEN - datetime.timedelta(days=1, hours=2)
        gradebook.find_submission(SET, "ada").notebooks[0].late_submission_penalty = 3.0
        gradebook.find_grade("test_parameter_count", SET, SET, "ada").manual_score = 0.5
        gradebook.find_comment("parameter_count", SET, SET, "ada").manual_comment = f"Nearly: $4H$ more. {SCRIPT}"
        gradebook.db.commit()
    page = page_of(course, "ada")
    for words in ("13.5 <small>of 17 points", "1 day 2 hours late", "Late penalty", "−3", "16.5 of 17",
                  "the points were set by your instructor", "0.5 of 1", "Nearly: <math"):
        assert words in page
    assert "<script" not in page


def test_what_failed_is_told_kindly_and_who_handed_in_nothing_has_no_page(course):
    """The reason is on the page, no number is, and the absent get none."""
    submit(course, "ada")
    release, = course.releases(SET)
    with course.gradebook() as gradebook:
        gradebook.add_student("absent")
        record(gradebook, "ada", ungraded(release, FAILED, "it is no <b>notebook</b>"), "")
    page = page_of(course, "ada")
    assert "could not be graded: it is no &lt;b&gt;notebook&lt;/b&gt;. No mark has been formed" in page
    assert "awaiting a look" in page
    assert [found.student for found in write_feedback(course, SET)] == ["ada"]
    with pytest.raises(CourseError, match="nothing of absent has been graded"):
        list(write_feedback(course, SET, ("absent",)))


def test_a_page_is_private_and_rewritten_only_when_it_changes(course):
    """0600 in 0700, untouched the second time, written again when a mark changes or when told to."""
    submit(course, "ada")
    first, = write_feedback(course, SET)
    again, = write_feedback(course, SET)
    forced, = write_feedback(course, SET, force=True)
    with course.gradebook() as gradebook:
        gradebook.find_grade("test_sigmoid", SET, SET, "ada").manual_score = 1.0
        gradebook.db.commit()
    changed, = write_feedback(course, SET)
    assert [page.written for page in (first, again, forced, changed)] == [True, False, True, True]
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.path.parent.stat().st_mode) == 0o700
    assert not list(first.path.parent.glob(".*"))


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    """Whole or not at all."""
    path = tmp_path / "page.html"
    write_private(path, "old")
    monkeypatch.setattr("os.replace", lambda *names: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_private(path, "new")
    assert path.read_text() == "old"


def test_nbgrader_writes_the_same_page_and_releases_it(course, tool, tmp_path):
    """`nbgrader generate_feedback` gives the page byte by byte; `release_feedback` names it by the student's secret."""
    submit(course, "ada")
    (course.submitted / "ada" / SET / "submission_secret.txt").write_text("their own secret")
    (course.autograded / "ada" / SET / "evil.html").write_text(SCRIPT)
    ours = page_of(course, "ada")
    folder = course.root / "class" / "feedback" / "ada" / SET
    tool(course.root, "nbgrader", "generate_feedback", SET, "--force")
    assert (folder / f"{SET}.html").read_text() == ours
    assert {(path.name, stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()} == {
        (name, 0o600) for name in (f"{SET}.html", "submission_secret.txt", "timestamp.txt")}
    exchange = tmp_path / "exchange"
    exchange.mkdir(mode=0o777)
    exchange.chmod(0o777)
    tool(course.root, "nbgrader", "release_feedback", SET, f"--Exchange.root={exchange}")
    name = hashlib.md5(f"their own secret{SET}".encode()).hexdigest()
    assert (exchange / "lstmlab" / "feedback" / f"{name}.html").read_text() == ours


# -- hostile contents ----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1280, UNPROTECTED], ids=["as it is", "without the policy"])
def test_nothing_a_student_wrote_runs_or_is_fetched(course, visit, width):
    """Neither on the page nor, were there no Content-Security-Policy, by its text alone."""
    submit(course, "mallory", notebook=hostile_notebook(course), outputs=hostile_outputs())
    page_of(course, "mallory")
    path = course.root / "class" / "feedback" / "mallory" / SET / f"{SET}.html"
    page = visit(path, width)
    title = page.title()
    for link in page.locator("main a").all():
        assert (link.get_attribute("href") or "#").startswith(("#", "http://", "https://", "mailto:"))
    page.wait_for_timeout(300)
    assert "mine" not in page.title()
    assert page.title() == title
    assert [url for url in page.requests if not url.startswith("data:image/")] == [path.as_uri()]
    assert page.complaints == []
    assert page.locator("script, iframe, object, embed, form, base, link, main style, [onerror], [style]").count() == 0
    assert path.stat().st_size < 2**20


def test_the_policy_alone_would_hold(course, visit):
    """Were a script, a style or a picture to slip through, the browser would refuse it."""
    submit(course, "ada")
    page_of(course, "ada")
    path = course.root / "class" / "feedback" / "ada" / SET / f"{SET}.html"
    evil = path.with_name("evil.html")
    evil.write_text(path.read_text().replace("</main>", "".join(HOSTILE[:7]) + HOSTILE[11] + HOSTILE[17] + "</main>"))
    page = visit(evil)
    page.wait_for_timeout(300)
    assert page.title() != "mine"
    assert [url for url in page.requests if url.startswith("http")] == []
    assert any("Content Security Policy" in words for words in page.complaints)


@pytest.mark.parametrize("text", [
    "*a " * 6000, "[" * 20_000, "<b>" * 6000, "$" * 20_000, "$a$ " * 280, "`" * 19_999, "> " * 10_000, "- " * 10_000,
    "|a" * 5000 + "\n" + "|-" * 5000, "$" + "{" * 5000 + "}" * 5000 + "$", "<a href=" * 2000, "![](" * 5000,
    "x" * 10**6])
def test_odd_markdown_holds_nobody_up(text):
    """A cell made to keep the sanitiser busy is shown as text, or done in time."""
    begun = datetime.datetime.now()
    assert isinstance(markdown(text), str)
    assert (datetime.datetime.now() - begun).total_seconds() < 20


def test_code_made_to_hold_the_formgrader_up_is_shown_in_part(course):
    """Pygments takes hours for a cell of a hundred thousand lines of spaces; our filter is set in its place."""
    notebook = new_notebook(cells=[new_code_cell("  \n" * 100_000 + "x")])
    begun = time.process_time()
    page, _ = HTMLExporter(config=course.config).from_notebook_node(notebook)
    assert "more characters are not shown here" in page
    assert time.process_time() - begun < 20


def test_a_mark_of_the_typesetters_own_is_text():
    """A cell that writes the marks under which equations are put aside, as an entity even, is shown."""
    assert safe_markdown("&#xf8ff;0&#xf8ff; $a$ &#xf8ff;7&#xf8ff;").count("<math") == 1


def test_terminal_text_is_shown_as_it_would_stand_there():
    """Colours, titles, progress bars and hidden characters leave words alone."""
    assert plain("\x1b[1;31mred\x1b[0m \x1b]2;title\x07\x1b[2Jok\u202eevil") == "red ok\ufffdevil"
    assert plain("1 %\r50 %\r100 %\nnext\r\nline") == "100 %\nnext\nline"


def test_headings_never_skip_a_level():
    """A student's headings stand under the page's own, in order, whatever they jumped to."""
    outline = Outline()
    assert outline.shifted(markdown("##### a\n\n# b\n\n### c")).count("<h3>") == 2
    assert "<h5>" in outline.shifted(markdown("###### d"))


# -- the report ----------------------------------------------------------------------------------------


def rows_of(course, name):
    with open(course.root / "class" / "reports" / f"{SET}-{name}.csv") as file:
        return list(csv.DictReader(file))


def test_the_report_counts_every_mistake_and_part(course):
    """Mistakes, unexplained answers, rates and marks are those that were made."""
    made = make(course, 24, seed=3)
    page, *_ = write_report(course, SET, names=True)
    counted = {(row["check"], row["mistake"]): (int(row["students"]), int(row["of"]))
               for row in rows_of(course, "mistakes")}
    for check, name in {item for of in made.mistakes.values() for item in of.items() if item[1] != "odd"}:
        students = sum(of.get(check) == name for of in made.mistakes.values())
        found = [value for (c, n), value in counted.items() if c == check and name in n.split(", or ")]
        assert [of for _, of in found] == [24]
        assert found[0][0] >= students
    odd = sorted(student for student, of in made.mistakes.items() if of.get("parameter_count") == "odd")
    right = sum("parameter_count" not in of for of in made.mistakes.values())
    checks = {(row["check"], row["part"]): row for row in rows_of(course, "checks")}
    assert (checks["parameter_count", ""]["earned by"], checks["parameter_count", ""]["of"]) == (str(right), "24")
    text = page.read_text()
    assert all(student in text for student in odd)
    assert len(rows_of(course, "submissions")) == 24
    assert "24 complete marks" in text


def test_who_needs_a_look_is_listed_with_the_reason(course):
    """Failed, timed out and not graded yet; missing students are counted and not listed."""
    submit(course, "ada")
    release, = course.releases(SET)
    (course.submitted / "new" / SET).mkdir(parents=True)
    with course.gradebook() as gradebook:
        gradebook.add_student("absent")
        record(gradebook, "ada", ungraded(release, FAILED, "=cmd|it is no notebook"), "")
    page, *_ = write_report(course, SET, names=True)
    statuses = {row["student"]: (row["status"], row["reason"], row["mark"]) for row in rows_of(course, "submissions")}
    assert statuses == {"ada": ("failed", "'=cmd|it is no notebook", ""), "absent": ("missing", "", ""),
                        "new": ("needs a look", "it was submitted and has not been graded", "")}
    assert "2 of 3" in page.read_text()


def test_students_are_named_only_when_asked(course):
    """Without --names no id is in the page or a table but the key; pseudonyms stay the same, and need the secret."""
    make(course, 12, first="ada")
    files = write_report(course, SET)
    key = {row["student"]: row["pseudonym"] for row in rows_of(course, "key")}
    assert key == {student: pseudonym(course.secret(), student) for student in key}
    assert len(set(key.values())) == 12
    assert pseudonym(b"x" * 32, "ada-0001") != key["ada-0001"]
    assert all("ada-" not in path.read_text() for path in files if not path.name.endswith("-key.csv"))
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    assert stat.S_IMODE(files[0].parent.stat().st_mode) == 0o700
    assert "ada-00" in write_report(course, SET, names=True)[0].read_text()


def test_a_hostile_roster_does_not_act_in_the_report(course, visit):
    """Ids and reasons are text, in the page and in a spreadsheet."""
    submit(course, "ada", notebook=hostile_notebook(course))
    with course.gradebook() as gradebook:
        gradebook.add_student(SCRIPT)
        record(gradebook, "ada", ungraded(course.releases(SET)[0], FAILED, "".join(HOSTILE)), "")
    path, *_ = write_report(course, SET, names=True)
    page = visit(path)
    assert page.title() == "Problem set 3: the LSTM, forward: class report"
    assert page.requests == [path.as_uri()]
    assert page.complaints == []
    assert [harmless(words) for words in ("=1+1", "@x", "-1", "x=1", 7)] == ["'=1+1", "'@x", "'-1", "x=1", 7]


def test_nothing_graded_is_one_clear_error(course):
    """There is no report on nothing."""
    with pytest.raises(CourseError, match="nothing has been graded"):
        write_report(course, SET)


# -- for everyone --------------------------------------------------------------------------------------


def test_pages_are_accessible_and_fit_a_phone(course, visit):
    """axe finds no violation of WCAG 2.2 AA, in both themes, wide and narrow; nothing scrolls sideways."""
    make(course, 12, seed=4)
    submit(course, "ada", {"lstm_step": "[x, h] in place of [h, x]", "sigmoid": "odd"}, outputs=hostile_outputs()[-1:])
    page_of(course, "ada")
    report, *_ = write_report(course, SET)
    for path in (course.root / "class" / "feedback" / "ada" / SET / f"{SET}.html", report):
        for width, scheme in ((UNPROTECTED, "light"), (UNPROTECTED, "dark")):
            page = visit(path, width, scheme)
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            page.set_viewport_size({"width": 390, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            levels = page.eval_on_selector_all("h1, h2, h3, h4, h5, h6", "es => es.map(e => +e.tagName[1])")
            assert levels[0] == 1
            assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
