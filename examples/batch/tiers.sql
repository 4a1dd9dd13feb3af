-- What was found, by day and tier: duckdb < tiers.sql, beside the decided.parquet that
--   tsclassify score posts.jsonl -o decided.parquet --policy hosting-provider
-- wrote. A .csv output has the same flat columns.
SELECT tier, count(*) AS posts, round(avg(incitement), 3) AS mean_incitement, max(findings) AS example
FROM 'decided.parquet'
GROUP BY tier
ORDER BY posts DESC;
