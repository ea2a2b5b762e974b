"""What a load keeps of its outcomes: histograms and counts by second and operation."""
