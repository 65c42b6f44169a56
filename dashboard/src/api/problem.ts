/** What went wrong, as the API says it (RFC 9457), or as a browser does that could not reach it. */
import type { CombinedError } from "urql";

export interface FieldProblem {
  path: string;
  code: string;
  message: string;
}
export interface Problem {
  status?: number;
  detail: string;
  code?: string;
  request_id?: string;
  errors?: FieldProblem[];
}

export class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

export async function problemOf(answer: Response): Promise<Problem> {
  const document: unknown = await answer.json().catch(() => null);
  if (document !== null && typeof document === "object" && "detail" in document) {
    return document as Problem;
  }
  return { status: answer.status, detail: `The server answered ${answer.status}.` };
}

export function problemFrom(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (isCombined(error)) return ofGraphql(error);
  if (error instanceof TypeError) return { detail: "The server cannot be reached." };
  return { detail: error instanceof Error ? error.message : String(error) };
}

function isCombined(error: unknown): error is CombinedError {
  return error instanceof Error && error.name === "CombinedError";
}

function ofGraphql(error: CombinedError): Problem {
  const first = error.graphQLErrors[0];
  if (first !== undefined) {
    const { code, request_id } = first.extensions;
    return {
      detail: first.message,
      code: typeof code === "string" ? code : undefined,
      request_id: typeof request_id === "string" ? request_id : undefined,
    };
  }
  return problemFrom(error.networkError ?? new Error(error.message));
}
