#!/bin/sh
# Decide yesterday's posts, once a day, from cron:
#   15 3 * * *  /srv/tsclassify/daily.sh /srv/posts /srv/decided hosting-provider
# A run that was killed goes on where it was; one that is done is not done again.
set -eu
posts=$1 decided=$2 policy=$3
day=${4:-$(date -u -d yesterday +%F)}
out=$decided/$day.jsonl
[ -e "$out" ] && exit 0
status=0
tsclassify score "$posts/$day.jsonl" -o "$out" --policy "$policy" --resume --quiet --summary "$out.summary.json" || status=$?
# 3: done, and some lines were rejected, which lie in $out.rejected.jsonl
[ "$status" -eq 0 ] || [ "$status" -eq 3 ]
