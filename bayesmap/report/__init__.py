"""Results for readers: the summary table and the one-page HTML report."""

from bayesmap.report.analysis import save_figures, write_report
from bayesmap.report.page import Figure, Section, render_page
from bayesmap.report.summaries import Summary, SummaryRow, measurement, summary, summary_rows, summary_text

__all__ = [
    "Figure",
    "Section",
    "Summary",
    "SummaryRow",
    "measurement",
    "render_page",
    "save_figures",
    "summary",
    "summary_rows",
    "summary_text",
    "write_report",
]
