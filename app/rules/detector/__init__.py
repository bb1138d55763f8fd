"""A streaming anomaly detector that is tuned by the accepted number of false alarms.

`Detector.load(memory, tuning).advance(at, value)` judges one sample in constant time and returns an `Judgement`;
`memory()` is JSON of under 4 kB. Nothing here reads a clock, a file or a random number.

What it does with each sample
1. Baseline (`baseline.py`). A plain level (time scale a day) competes with a level plus a profile by hour of day, and
   that with one by hour of week; each is weighed by how well it has been predicting, so a season helps after two or
   three days (weeks), and one that does not predict is let go. Buckets are shrunk to zero until they have evidence.
2. Forecast (`detector.py`). What is left over often lingers (a busy minute follows a busy minute), so a one-step
   forecast carries over the measured share of it.
   Until the week has won, a value like that of a week ago is excused (`Baseline.usual_range`).
3. Surprise. The distance from the baseline and from the forecast, each over its own robust spread (`baseline.py`: a
   winsorised mean, and how wide each hour of the day usually is), are blended into one number, linear in the value.
4. Windows (`windows.py`). The last dozen samples (two hours at most) together: do their surprises lean to one side, do
   they stray further than usual. So many values inside the band, all a little high, are found, and spikes like any
   other that come far too often. Samples more than 40 minutes apart are judged one by one only.
5. Rarity (`rarity.py`). What lies beyond a running 97 % quantile is gathered into episodes; how often and how far they go is
   learnt for each look apart (value up and down, lean up and down, straying): a generalised Pareto tail by L-moments, and
   never rarer than what the series has itself shown. No Gaussian is assumed. The band is where an episode is expected
   once in the period that the knob allows, shared among the looks so that together they do not spend more than it.
6. Score (`rarity.py`). The expected time between such episodes, T days, as T^0.4 / (1 + T^0.4): 0.5 is daily, 0.8 monthly,
   0.91 yearly; a window's T counts a quarter. It is news: while an episode lasts (and fading over two days) only
   something rarer still scores high.

Time scales: spread 500 samples, level 1 day (3 days beneath a season), seasons about a week (five weeks by week).
A change for good alarms at once, is accepted after 2 to 3 hours (not sooner than about 20 samples), and the level
has moved after roughly half a day. What is out of band teaches only what is inside the winsorising limit.

Where the ideas are from: robust exponential smoothing (Gelper, Fried and Croux 2010), additive Holt-Winters, EWMA charts
(Roberts 1959), surprise judged by the history of surprise (Ahmad et al. 2017), L-moments (Hosking and Wallis 1987), peaks
over threshold with declustering (Coles 2001; SPOT, Siffer et al. 2017), the news-only scoring is our own.

Measured (November 2026). Numenta Anomaly Benchmark, its own scoring of `score`: standard 64, low FP 54, low FN 71 of 100;
61 with each category's threshold taken from the other categories; 70 on the half of the files it was first designed
on, 62 on the other (which the second round has seen in its tables). Microsoft's cloud monitoring series, scored alike:
60.5, 50.7, 68.6. Alarms outside labelled windows, a knob of one in 30 days: 1.4 to 1.7 times what it asks.

Limits: one series, no explanatory series; seasons other than day and week are noise to it; a slow drift is followed and
never alarms; a value that freezes inside the band is not seen (that is the absence rule's work); after three like peaks
the next are taken for the series' habit, so that what recurs every day or two is under-reported. By the minute and in the first
month, heavy tails, bursts of variance and steps at midnight alarm two to four times as often as a knob of one in 30 days
asks. It claims no return time beyond 100 times the age of the series, so that a knob of one in 30 days learns for at least
7 hours, and one in a year for four days.
"""

from app.rules.detector.detector import Detector
from app.rules.detector.judgement import Deviation, Direction, Judgement, Progress, Tuning

__all__ = ["Detector", "Deviation", "Direction", "Judgement", "Progress", "Tuning"]
