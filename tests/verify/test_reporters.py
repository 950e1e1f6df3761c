"""Reports of `mockhub verify`: hostile text stays text, and a failure says where to read more."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import jsonschema_rs
import pytest

from mockhub.verify.exchange import Exchange, Request
from mockhub.verify.outcomes import Outcome
from mockhub.verify.profile import Acceptance
from mockhub.verify.report import Report, observed_values
from mockhub.verify.reporters import terminal
from mockhub.verify.reporters.github import workflow_commands
from mockhub.verify.reporters.html import html
from mockhub.verify.reporters.junit import junit
from mockhub.verify.reporters.markdown import markdown
from mockhub.verify.reporters.sarif import sarif
from mockhub.verify.results import CheckResult, group_by_clause

HOSTILE = "<img src=x onerror=alert(1)>\"'&|`[a](b)\x1b[31m\x00\x9b\u202e\n::error::LED-2\uffff"
SHOWN = r"""<img src=x onerror=alert(1)>"'&|`[a](b)\x1b[31m\x00\x9b\u202e"""


def make_report(outcome: Outcome, text: str = "") -> Report:
    exchange = Exchange(Request("GET", f"http://a.example/{text}"), 500, content=text.encode())
    result = CheckResult(
        "a_check", outcome, f"found {text}", (exchange,), f"{text}", "", ("LED-2",)
    )
    return Report(
        target=f"http://a.example/{text}",
        level="documented",
        seed=1,
        clauses=group_by_clause([result], "documented"),
        credits_spent=8,
        budget=310,
        requests=1,
        seconds=0.5,
    )


class _Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found.add(tag)


def test_hostile_text_is_escaped_in_html() -> None:
    """A response cannot add an element to the page."""
    page = html(make_report(Outcome.FAILED, HOSTILE))
    assert "img" not in _Tags(page).found
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert page.replace("\n", "").isprintable()


def test_hostile_text_is_valid_in_junit() -> None:
    """Control characters, which XML cannot carry, are escaped."""
    suite = ElementTree.fromstring(junit(make_report(Outcome.FAILED, HOSTILE)))
    failure = suite.find(".//failure")
    assert failure is not None
    assert failure.attrib["message"] == rf"found {SHOWN}\n::error::LED-2\uffff"
    assert SHOWN in (failure.text or "")


def test_hostile_text_is_escaped_in_markdown() -> None:
    """A response adds neither HTML, nor a link, nor a column or line to the step summary."""
    summary = markdown(make_report(Outcome.INCONCLUSIVE, HOSTILE))
    shown = r"&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;&amp;\|\`\[a\](b)\\x1b\[31m"
    assert summary.count(shown) == 2
    assert summary.replace("\n", "").isprintable()
    assert "\n::" not in summary


def test_hostile_text_stays_in_its_fence() -> None:
    """Evidence cannot close the code block that shows it."""
    lines = markdown(make_report(Outcome.FAILED, HOSTILE + "\n```\n# forged")).splitlines()
    assert [line for line in lines if "```" in line] == ["```text", "```"]


def test_markdown_escapes_cannot_be_undone() -> None:
    """A backslash before a separator stays a backslash."""
    assert r"a\\\|b" in markdown(make_report(Outcome.INCONCLUSIVE, r"a\|b"))


def test_control_characters_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A response can neither control the terminal nor forge a line or a command of a CI system."""
    terminal.print_report(make_report(Outcome.FAILED, HOSTILE))
    terminal.print_diff(make_report(Outcome.FAILED), [HOSTILE])
    lines = capsys.readouterr().out.splitlines()
    assert all(line.isprintable() for line in lines)
    assert not [line for line in lines if line.strip().startswith(("::", "LED-2 f"))][1:]


def _terminal_output(report: Report) -> str:
    terminal.print_report(report)
    return ""


@pytest.mark.parametrize("render", [html, markdown, _terminal_output])
def test_failed_clause_names_the_explain_command(
    render: Callable[[Report], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """`mockhub explain` shows everything about a clause that failed."""
    output = render(make_report(Outcome.FAILED)) or capsys.readouterr().out
    assert "mockhub explain LED-2" in output


@pytest.mark.parametrize("outcome", [Outcome.PASSED, Outcome.INCONCLUSIVE, Outcome.SKIPPED])
def test_only_failed_clauses_name_the_explain_command(outcome: Outcome) -> None:
    """Other outcomes are not about the documentation."""
    report = make_report(outcome)
    assert "mockhub explain" not in html(report) + markdown(report)


SARIF = {  # the part of the schema of SARIF 2.1.0 that concerns us
    "type": "object",
    "required": ["version", "runs", "$schema"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "required": ["driver"],
                        "properties": {"driver": {"required": ["name", "rules"]}},
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "required": ["ruleId", "ruleIndex", "level", "message", "locations"],
                            "properties": {
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": {"required": ["text"]},
                                "locations": {
                                    "minItems": 1,
                                    "items": {"required": ["physicalLocation"]},
                                },
                                "suppressions": {
                                    "items": {
                                        "properties": {"kind": {"enum": ["inSource", "external"]}},
                                        "required": ["kind"],
                                    }
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def test_sarif_report_matches_the_schema() -> None:
    """Code scanning reads the rule, the level and the place of each finding."""
    report = make_report(Outcome.FAILED, HOSTILE)
    known = replace(report, accepted=(Acceptance("LED-2", "legacy"),))
    for written, suppressed in ((report, False), (known, True)):
        document = json.loads(sarif(written, artifact="target.yaml"))
        jsonschema_rs.validator_for(SARIF).validate(document)
        [run] = document["runs"]
        [result] = run["results"]
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "LED-2"
        assert result["level"] == "error"
        assert result["message"]["text"].startswith("found ")
        assert ("suppressions" in result) is suppressed


def test_annotation_is_one_workflow_command() -> None:
    """A response cannot start a command of its own."""
    [command] = workflow_commands(make_report(Outcome.FAILED, HOSTILE), artifact="a:b,c.yaml")
    assert command.startswith("::error file=a%3Ab%2Cc.yaml,title=LED-2 (documented)::found <img")
    assert command.isprintable()


def test_observed_fields_are_bounded_in_depth_and_number() -> None:
    """Neither deeply nested nor endless objects of a server fill the report."""
    nested = b'{"a":' * 900 + b"1" + b"}" * 900
    many = json.dumps({f"field_{number}": 1 for number in range(5000)}).encode()
    request = Request("GET", "http://a.example/api/v1/models")
    deep = observed_values([Exchange(request, 200, content=nested)])
    assert deep["fields"][-1] == "200 " + ".".join("a" * 9)
    wide = observed_values([Exchange(request, 200, content=many)])
    assert len(wide["fields"]) == 1000
