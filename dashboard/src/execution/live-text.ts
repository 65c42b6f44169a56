/** What models are saying in a run, as it comes: by the path of the node, its newest attempt. */
import { useEffect, useState } from "react";
import { graphql } from "../api/graphql";
import { follow } from "../api/live";

const TOKENS = graphql(`
  subscription Tokens($id: ID!) {
    tokens(executionId: $id) { nodeId attempt offset text }
  }
`);
/** Of one node; who wants more reads the output. */
const SHOWN_MAX = 200_000;
/** Pieces come faster than anybody reads. */
const GATHER_MS = 60;

export interface Said {
  attempt: number;
  /** How many characters came, also those that were missed. */
  reached: number;
  text: string;
}
type Piece = { nodeId: string; attempt: number; offset: number; text: string };

export function useLiveText(id: string, isFollowed: boolean): ReadonlyMap<string, Said> {
  const [said, setSaid] = useState<ReadonlyMap<string, Said>>(new Map());
  useEffect(() => {
    if (!isFollowed) return;
    let pieces: Piece[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const show = () => {
      timer = undefined;
      const fresh = pieces;
      pieces = [];
      setSaid((before) => withPieces(before, fresh));
    };
    const stop = follow(TOKENS, () => ({ id }), {
      next: ({ tokens }) => {
        pieces.push(tokens);
        timer ??= setTimeout(show, GATHER_MS);
      },
    });
    return () => {
      stop();
      clearTimeout(timer);
      setSaid(new Map());
    };
  }, [id, isFollowed]);
  return said;
}

function withPieces(before: ReadonlyMap<string, Said>, pieces: readonly Piece[]) {
  const after = new Map(before);
  for (const { nodeId, attempt, offset, text } of pieces) {
    const known = after.get(nodeId);
    if (known !== undefined && known.attempt > attempt) continue;
    const said = known?.attempt === attempt ? known : { attempt, reached: 0, text: "" };
    // Told again after a connection was lost, from the beginning.
    const fresh = Array.from(text).slice(Math.max(said.reached - offset, 0));
    if (fresh.length === 0) continue;
    const gap = offset > said.reached ? " … " : "";
    after.set(nodeId, {
      attempt,
      reached: Math.max(said.reached, offset) + fresh.length,
      text: (said.text + gap + fresh.join("")).slice(-SHOWN_MAX),
    });
  }
  return after;
}
