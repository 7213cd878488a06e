/** The part of pg that is used here: it brings no types of its own. */
declare module "pg" {
  export const Pool: new (options: Readonly<Record<string, unknown>>) => import("./connection.ts").PgPool;
}
