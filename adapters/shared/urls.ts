/** Urls of servers in messages. */

/** A password may stand in the query too, or hold characters that no URL may have. */
export const withoutSecrets = (url: string): string => url.replace(/\/\/.*@/s, "//***@").replace(/\?.*/s, "");

export const unreadable = "url cannot be read: characters such as / @ # % in a password are written %2F %40 %23 %25.";
