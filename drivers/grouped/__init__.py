"""One model for each value of a column, all in the same passes: options, fit, table, and predictions by it."""
