"""A streaming anomaly detector whose knob is the number of false alarms a person will bear.

`Detector.load(memory, knob).advance(at, value)` judges one sample in constant time and returns an `Outlook`;
`memory()` is JSON of under 4 kB. Nothing here reads a clock, a file or a random number.

What it does with each sample
1. Baseline (`baseline.py`). A plain level (time scale a day) competes with a level plus a profile by hour of day, and
   that with one by hour of week; each is weighed by how well it has been predicting, so a season helps after two or
   three days (weeks), and one that does not predict is let go. Buckets are shrunk to zero until they have evidence.
2. Forecast (`detector.py`). What is left over often lingers (a busy minute follows a busy minute), so a one-step
   forecast carries over the measured share of it.
3. Surprise. The distance from the baseline and from the forecast, each over its own robust spread (`spread.py`: a
   winsorised mean, and how wide each hour of the day usually is), are blended into one number, linear in the value.
4. Rarity (`tail.py`). Surprises beyond a running 97 % quantile are gathered into episodes; how often and how far they
   go is learnt for each side apart: a generalised Pareto tail, and never rarer than what the series has itself shown.
   The band is where an episode is expected once in the period that the knob allows. No Gaussian is assumed.
5. Score. The expected time between such episodes, T days, as T^0.4 / (1 + T^0.4): 0.5 is daily, 0.8 monthly, 0.91
   yearly. It is news: while an episode lasts (and fading over two days) only something rarer still scores high.

Time scales: spread 500 samples, level 1 day (3 days beneath a season), seasons about a week (five weeks by week).
A change for good alarms at once, is accepted after 2 to 3 hours (not sooner than about 20 samples), and the level
has moved after roughly half a day. What is out of band teaches only what is inside the winsorising limit.

Where the ideas are from: robust exponential smoothing (Gelper, Fried and Croux 2010), additive Holt-Winters,
peaks over threshold with declustering (Coles 2001; SPOT, Siffer et al. 2017), the news-only scoring is this house's.

Measured (November 2026). Numenta Anomaly Benchmark, its own scoring of `score`, standard profile: 57 of 100 (designed on
one half of the files, 67; on the half held out, 51). Alarms outside labelled windows, as a multiple of what the knob asks:
1.1 at one a day, 1.1 at one in 7 days, 1.7 at one in 30 days, 3 at one in 90; on clean synthetic series mostly below 2.

Limits: one series, no explanatory series; seasons other than day and week are noise to it, and so is a step sharper than
an hour within one; a slow drift is followed and never alarms; a value that freezes inside the band is not seen (that is
the absence rule's work); after three like peaks the next are taken for the series' habit. In the first month very heavy
tails, bursts of variance and steps at midnight alarm up to seven times as often as a knob of one in 30 days asks. It
claims no return time beyond 100 times the age of the series, so that a knob of one in 30 days learns for at least 7 hours,
and one in a year for four days.
"""

from app.rules.detector.detector import Detector
from app.rules.detector.outlook import Direction, Knob, Outlook

__all__ = ["Detector", "Direction", "Knob", "Outlook"]
