# screen.awk: draws the text of a terminal as SVG.  Used by scripts/pictures.

{
	long[NR] = length($0)
	if (long[NR] > 0)
		last = NR
	if (long[NR] > columns)
		columns = long[NR]
	gsub(/&/, "\\&amp;")
	gsub(/</, "\\&lt;")
	gsub(/>/, "\\&gt;")
	gsub(/ /, "\\&#160;")
	line[NR] = $0
}

END {
	width = columns * 8 + 24
	height = last * 18 + 20
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" ", width
	printf "height=\"%d\" viewBox=\"0 0 %d %d\">\n", height, width, height
	print "<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#1c1f24\"/>"
	print "<g fill=\"#d8dee9\" font-family=\"monospace\" font-size=\"13\">"
	for (i = 1; i <= last; i++)
		if (line[i] != "")
			printf "<text x=\"12\" y=\"%d\" textLength=\"%d\" " \
			    "lengthAdjust=\"spacingAndGlyphs\">%s</text>\n",
			    i * 18 + 8, long[i] * 8, line[i]
	print "</g>"
	print "</svg>"
}
