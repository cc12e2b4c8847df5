"""What the runs are about: the automations that start them, and the ways in which they fail."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass

_TASKS = (
    ("Download invoices", "Log in, open the invoices and download all of last month."),
    ("Check the price", "Search for the article {n} and note its price and when it is delivered."),
    ("Fill in the claim", 'Fill in the form "Claim" for contract {n} and send it.'),
    ("Order again", "Put the articles of order {n} into the cart and go as far as the payment."),
    ("Read the meter", "Log in at the utility, open “Consumption” and read the last 12 months."),
    ("Apply for the job", "Open the vacancy, fill in the application, upload the CV, do not send."),
    ("Renew the licence", "Find the licence that ends next and note what its renewal costs."),
    ("Track the parcel", "Enter the parcel number {n} and note where it is."),
)
_COUNT = 400
_LETTERS = "abcdefghijklmnop"
ENGINES = ("skyvern-1.0", "skyvern-2.0", "openai-cua", "anthropic-cua", "ui-tars")
PROXIES = ("RESIDENTIAL", "RESIDENTIAL_DE", "NONE", '{"city":"Berlin","country":"DE"}')
ERROR_CODES = ("LOGIN_FAILED", "OUT_OF_STOCK", "ACCOUNT_LOCKED", "CAPTCHA", "PAGE_CHANGED")
DOWNLOADS = ("invoice", "Rechnung", "statement", "line items", "請求書", "delivery note")
ENDINGS = (("pdf", "application/pdf"), ("csv", "text/csv"), ("xlsx", "application/zip"))


@dataclass(frozen=True, slots=True)
class Automation:
    """Something that somebody lets run every night. ``prompt`` may have a place for a number."""

    workflow_id: str
    title: str
    prompt: str
    url: str
    schema: str


def _automation(number: int) -> Automation:
    title, prompt = _TASKS[number % len(_TASKS)]
    fields = {name: {"type": "string"} for name in ("number", "customer", "issued", f"f{number}")}
    return Automation(
        f"wpid_{401_000_000_000_000_000 + number * 7_919_004_007}",
        f"{title} {number // len(_TASKS) + 1}",
        prompt,
        f"https://shop-{number % 97}.example.com/{title.split()[0].lower()}?account={number}",
        json.dumps({"type": "object", "properties": fields}, separators=(",", ":")),
    )


AUTOMATIONS = tuple(map(_automation, range(_COUNT)))


def failure_reason(status: str, url: str, chance: random.Random) -> str:
    """Why a run with this status failed: of a dozen kinds, hardly one text the same as another."""
    kinds = _TIMED_OUT if status == "timed_out" else _FAILED
    return chance.choice(kinds)(url, chance)


def _id(prefix: str, chance: random.Random) -> str:
    return f"{prefix}_{chance.randrange(6 * 10**17, 7 * 10**17)}"


_Kind = Callable[[str, random.Random], str]
_TIMED_OUT: tuple[_Kind, ...] = (
    lambda url, chance: f"Workflow run timed out after {chance.choice((30, 60, 120))} minutes",
    lambda url, chance: (
        f"Timed out after {chance.randrange(600, 9_000):,} seconds waiting for "
        f"{_id('tsk', chance)} to finish"
    ),
)
_FAILED: tuple[_Kind, ...] = (
    lambda url, chance: (
        f"Failed to navigate to url {url}&p={chance.randrange(10**6)}. Error message: "
        "net::ERR_CONNECTION_TIMED_OUT"
    ),
    lambda url, chance: f"Reached the maximum steps ({chance.randrange(10, 50)})",
    lambda url, chance: "Failed to log in. The site said: “invalid password”.",
    lambda url, chance: "Goal cannot be reached: the item is sold out.",
    lambda url, chance: (
        f'Element "{chance.choice(DOWNLOADS)} {chance.randrange(9_999)}" was not found on {url}'
    ),
    lambda url, chance: (
        f"Block 'download_{chance.randrange(9)}' of {_id('wr', chance)} failed after "
        f"{chance.randrange(2, 5)} retries: HTTP {chance.choice((403, 429, 500, 502, 503))}"
    ),
    lambda url, chance: (
        f"Account 'user{chance.randrange(10**5)}@example.com' is locked since "
        f"2026-{chance.randrange(1, 13):02d}-{chance.randrange(1, 29):02d}"
    ),
    lambda url, chance: (
        f"Failed to get the file {chance.randrange(10**6)}.pdf: expected "
        f"{chance.randrange(10**5):,} bytes, got {chance.randrange(10**4)}.\nTry again later."
    ),
    lambda url, chance: (
        f"Browser session {_id('pbs', chance)} was closed by step {_id('stp', chance)}"
    ),
    lambda url, chance: "CAPTCHA was not solved",
    lambda url, chance: "".join(chance.choices(_LETTERS, k=8)) + ": unexpected answer of the model",
)
