"""Charts as SVG and pages as HTML, for whatever has tables and figures to show: no script, no font, nothing loaded."""
