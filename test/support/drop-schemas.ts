/** Takes away what tests of the PostgreSQL store have left on a server. */
import { Pool } from "pg";

/** Schemas whose names begin with `prefix`, then `roles`. */
export async function dropSchemas(url: string, prefix: string, roles: readonly string[] = []): Promise<void> {
  const pool = new Pool({ connectionString: url });
  try {
    const { rows } = await pool.query("select nspname as name from pg_namespace where starts_with(nspname, $1)", [
      prefix,
    ]);
    for (const { name } of rows) await pool.query(`drop schema "${name}" cascade`);
    for (const role of roles) await pool.query(`drop role "${role}"`);
  } finally {
    await pool.end();
  }
}
