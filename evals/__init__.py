"""Measuring the assistant: gold questions, data sets, measures, reports."""
