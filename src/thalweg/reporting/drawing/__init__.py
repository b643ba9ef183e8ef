"""What figures are drawn with: panels, scales, lines, legends, matrices, and the files that a figure becomes."""
