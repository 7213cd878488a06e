/** Reads one Markdown file: words, headings, links, and relative links that lead nowhere. No queue in here. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";

export interface Counts {
  words: number;
  headings: number;
  links: number;
  broken: number;
}

export async function analyseMarkdown(file: string): Promise<Counts> {
  const text = withoutCode(await readFile(file, "utf8"));
  const targets = linkTargets(text);
  return {
    words: text.match(/[\p{L}\p{N}][\p{L}\p{N}'’-]*/gu)?.length ?? 0,
    headings: text.match(/^ {0,3}#{1,6}\s/gm)?.length ?? 0,
    links: targets.length,
    broken: targets.filter((target) => isBroken(file, target)).length,
  };
}

function withoutCode(text: string): string {
  return text.replace(/^ {0,3}(```|~~~)[\s\S]*?^ {0,3}\1.*$/gm, "").replace(/`[^`\n]*`/g, "");
}

/** `[text](target "title")`, `![image](target)` and `[label]: target`. */
function linkTargets(text: string): string[] {
  const inline = text.matchAll(/\]\(\s*<?([^\s<>()]+(?:\([^\s()]*\)[^\s()]*)*)>?(?:\s+["'(][^\n]*?)?\s*\)/g);
  const labels = text.matchAll(/^ {0,3}\[[^\]\n^]+\]:\s*<?([^\s<>]+)>?/gm);
  return [...inline, ...labels].map((match) => match[1] ?? "");
}

function isBroken(file: string, target: string): boolean {
  if (/^([a-z][a-z0-9+.-]*:|#|\/)/i.test(target)) return false; // elsewhere, in this file, or from a site's root
  const path = target.replace(/[?#].*$/s, "");
  return path !== "" && !existsSync(resolve(dirname(file), decoded(path)));
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
