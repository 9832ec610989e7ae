"""The measures of predictions beside the truth: from sums, tables and histograms to figures with their errors."""
