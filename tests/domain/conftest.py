"""Hypothesis draws the same examples each time: a failure is the same for everyone."""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "domain",
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("domain")
