"""How fast and how small the product is, side by side with what else does its job.

    python -m tests.benchmarks                          everything, in some twenty minutes
    python -m tests.benchmarks --short                  where a peer could beat ours, in less than a minute
    python -m tests.benchmarks load roundtrip           some measures only
    python -m tests.benchmarks --peers stdlib,raw       some peers only; ours always take part
    python -m tests.benchmarks --repeat 9 --seconds 2   longer, for figures that are to be quoted
    python -m tests.benchmarks --json figures.json      every round of every figure, for later use
    python -m tests.benchmarks --svg drawings           a drawing for each measure

It needs the package's extras ``test`` and ``bench``, wrk and nginx; what is missing is left out and named.

Measures (``measures/``): ``suite``, ``cycle``, ``roundtrip``, ``load``, ``scripting``, ``files``, ``bulk``, ``memory``,
``tls``, ``http2``, ``cgi``, ``import``, ``startup``; how it grows: ``routes``, ``exchanges``, ``endurance``,
``connections``, ``tests``, ``hostile``. Each module says what it times and how. Peers (``peers/``): one small adapter
each. All peers take turns within every round, and the order rotates, so that a machine that slows down slows them all;
a figure is the median over the rounds. A peer that is not installed, or that fails, is left out and named below the
tables.

The tables show medians, then ratios: against the raw-socket server, which is the limit of what threads in Python can
do, and of the product against every peer. ``targets.py`` holds the figures to reach, and which of ours each judges; the
last table has the verdicts, and shows how far apart the rounds were: if far, run it longer, on a quiet machine. The
exit status is 1 if a peer beats the product where a target compares the two, or if the product could not be measured,
else 0. Beaten is what is worse by more than 10 % in the median and in every single round: the rest is noise. The
raw-socket servers, nginx, uvicorn and ``subprocess.run`` are references, not peers: behind them a target may be missed,
but nobody is beaten.

To add a peer, write ``peers/<name>.py`` with a ``PEER`` and list it in ``peers.MODULES``; to add a measure, write
``measures/<name>.py`` with a ``run(peers, plan)`` that returns figures, and list it in ``measures.MODULES``.
"""
