"""The demo's dozen runs: one of each kind that an archive meets, with artifacts made on the spot.

Names, secrets and companies are invented; every host is under example.com.
"""

from datetime import UTC, datetime, timedelta

from archiver.demo.answers import DemoRun, Document, Story, tell
from archiver.demo.media import csv_rows, pdf, png, webm


def demo_runs(now: datetime) -> tuple[DemoRun, ...]:
    """Make the runs as they would look at ``now``, the oldest first.

    Ten are final, created within the last ten days and finished at least an hour ago; one is
    running and one is queued. The same ``now`` gives the same runs; the ids never change.

    Raises ValueError if ``now`` has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError("now must have a time zone")
    now = now.astimezone(UTC).replace(microsecond=0)
    stories = (*_completed(now), *_unsuccessful(now), *_unfinished(now))
    return tuple(tell(story) for story in sorted(stories, key=lambda story: story.created))


def _completed(now: datetime) -> tuple[Story, ...]:
    return (
        Story(
            # Its recording has been moved to cold storage.
            run_id="tsk_600319412233404416",
            run_type="task_v1",
            status="completed",
            created=now - timedelta(days=9, hours=20),
            started=4,
            finished=75,
            steps=3,
            recording_archived=True,
            screenshots=_screenshots(1, 2),
            output={"plan": "business", "renews_on": "2031-04-01"},
            request=_task("Look up when the phone contract renews", "https://telco.example.com"),
        ),
        Story(
            run_id="tsk_600323869411061120",
            run_type="task_v1",
            status="completed",
            created=now - timedelta(days=7, hours=2, microseconds=306_839),
            started=5,
            finished=95.25,
            steps=6,
            recording=webm("Download the invoices", 90),
            screenshots=_screenshots(2, 3),
            downloads=(
                ("invoice 4711.pdf", _invoice("4711", "1,234.50")),
                ("line items.csv", _line_items("4711", 120)),
            ),
            # The big number is one more than a float can hold.
            output={"invoices": ["4711"], "total": 1234.5, "customer": 9007199254740993},
            request=_task("Download the latest invoice", "https://shop.example.com/account?tab=1"),
        ),
        Story(
            run_id="tsk_v2_600323873706028458",
            run_type="task_v2",
            status="completed",
            created=now - timedelta(days=6, hours=5, microseconds=98_061),
            started=11.5,
            finished=312,
            steps=14,
            recording=webm("Compare the tariffs", 300),
            screenshots=_screenshots(3, 3),
            downloads=(("tariffs.csv", _line_items("tariff", 40)),),
            output={"summary": "Three tariffs compared ✓", "cheapest": "Öko 24"},
            request=_task("Compare the tariffs of «Stadtwerke»", "https://energy.example.com"),
        ),
        Story(
            # The first attempt failed; its output holds signed URLs inside a block.
            run_id="wr_600323882295963128",
            run_type="workflow_run",
            status="completed",
            created=now - timedelta(days=5, hours=1, microseconds=715_685),
            started=42,
            finished=702,
            steps=21,
            recording=webm("Monthly statements", 330),
            screenshots=_screenshots(4, 3),
            downloads=(
                ("statement_été.pdf", pdf("Relevé de compte", "Juillet, août, septembre")),
                ("bookings.csv", _line_items("booking", 300)),
            ),
            output={"statements": 3, "note": "all months found"},
            request={"title": "Monthly statements", "parameters": {"month": "2030-09"}},
            first_failure=("LOGIN_FAILED", "The one-time code was refused"),
        ),
        Story(
            # Names that a file system may take for one, and one beyond ASCII.
            run_id="tsk_600327021000118272",
            run_type="task_v1",
            status="completed",
            created=now - timedelta(days=3, hours=9, microseconds=4_020),
            started=3.75,
            finished=51,
            steps=4,
            recording=webm("Both invoices", 47),
            screenshots=_screenshots(5, 3),
            downloads=(
                ("invoice.pdf", _invoice("8001", "19.90")),
                ("Invoice.pdf", _invoice("8002", "24.90")),
                ("Übersicht_請求書.csv", _line_items("8001", 12)),
            ),
            output={"invoices": ["8001", "8002"]},
            request=_task("Download both invoices", "https://hosting.example.com/billing"),
        ),
        Story(
            # Its request holds what must never reach an archive.
            run_id="tsk_600329447010566144",
            run_type="openai_cua",
            status="completed",
            created=now - timedelta(days=1, hours=4, microseconds=551_200),
            started=8,
            finished=186.5,
            steps=17,
            recording=webm("Order status", 178),
            screenshots=_screenshots(6, 3),
            downloads=(("delivery note.pdf", pdf("Delivery note", "12 parcels, all delivered")),),
            output={"orders": [{"id": "A-17", "state": "delivered"}]},
            request=_task("Check the open orders", "https://parts.example.com/orders")
            | {
                "webhook_url": "https://demo-user:demo-fake-password@hooks.example.com/done"
                "?token=demo-fake-webhook-token",
                "extra_http_headers": {"X-Shop-Session": "demo-fake-session-5f2c"},
                "totp_url": "https://codes.example.com/next?secret=demo-fake-totp-secret",
                "totp_identifier": "orders@example.com",
            },
        ),
    )


def _unsuccessful(now: datetime) -> tuple[Story, ...]:
    return (
        Story(
            run_id="tsk_600323886590930490",
            run_type="task_v1",
            status="failed",
            created=now - timedelta(days=4, hours=7, microseconds=978_145),
            started=6,
            finished=38,
            steps=2,
            recording=webm("Login refused", 32),
            screenshots=_screenshots(7, 2),
            failure_reason="Failed to log in.\n\nThe site said: “invalid password”.",
            errors=(
                _error("LOGIN_FAILED", "The site said: invalid password", 0.95),
                _error("ACCOUNT_LOCKED", "Two more attempts are left", 0.5),
            ),
            request=_task("Download the payslip", "https://payroll.example.com/login")
            | {"error_code_mapping": {"LOGIN_FAILED": "the login did not work"}},
        ),
        Story(
            run_id="tsk_600327904110247936",
            run_type="task_v1",
            status="terminated",
            created=now - timedelta(days=2, hours=13),
            started=4.5,
            finished=129.5,
            steps=9,
            recording=webm("Sold out", 125),
            screenshots=_screenshots(8, 3),
            failure_reason="Goal cannot be reached: the item is sold out.",
            errors=({"error_code": "OUT_OF_STOCK", "reasoning": "nothing left"},),
            request=_task("Reserve item 88", "https://shop.example.com/item/88"),
        ),
        Story(
            run_id="wr_600328455520331904",
            run_type="workflow_run",
            status="timed_out",
            created=now - timedelta(days=1, hours=22, microseconds=12_500),
            started=240,
            finished=2040,
            steps=50,
            recording=webm("Stuck at a captcha", 1800),
            screenshots=_screenshots(9, 3),
            failure_reason="Workflow run timed out after 30 minutes",
            request={"title": "Collect tax notices", "max_elapsed_time_minutes": 30},
        ),
        Story(
            run_id="tsk_v2_600329012207751808",
            run_type="task_v2",
            status="canceled",
            created=now - timedelta(days=1, hours=10, microseconds=40_077),
            started=None,
            finished=33,
            request=_task("Find a cheaper supplier", "https://search.example.com"),
        ),
    )


def _unfinished(now: datetime) -> tuple[Story, ...]:
    return (
        Story(
            run_id="tsk_600330118803259392",
            run_type="task_v1",
            status="running",
            created=now - timedelta(minutes=11, microseconds=660_300),
            started=7,
            finished=None,
            steps=5,
            screenshots=_screenshots(10, 1),
            request=_task("Export the address book", "https://crm.example.com"),
        ),
        Story(
            run_id="wr_600330145572634624",
            run_type="workflow_run",
            status="queued",
            created=now - timedelta(minutes=2),
            started=None,
            finished=None,
            request={"title": "Monthly statements", "parameters": {"month": "2030-10"}},
        ),
    )


def _task(prompt: str, url: str) -> Document:
    return {"prompt": prompt, "url": url}


def _error(code: str, reasoning: str, confidence: float) -> Document:
    return {
        "error_code": code,
        "reasoning": reasoning,
        "confidence_float": confidence,
        "error_type": "USER_DEFINED_ERROR",
    }


def _screenshots(seed: int, count: int) -> tuple[bytes, ...]:
    return tuple(png(seed * 10 + number) for number in range(count))


def _invoice(number: str, total: str) -> bytes:
    return pdf(f"Invoice {number}", "Example Shop (demo)", f"Total: {total} €")


def _line_items(name: str, count: int) -> bytes:
    rows = ((n, f"{name} / {n:03}", f"{(n * 37 % 500) / 4:.2f}") for n in range(1, count + 1))
    return csv_rows(("position", "text", "amount"), rows)
