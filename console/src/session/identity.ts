// Whose a token is, and until when, as the server says. Claims have other names with each issuer, and prove nothing.

/** One text for a user of an organisation: no two are the same. */
export const ownerOf = (organization: string, user: string): string => JSON.stringify([organization, user]);

export interface Identity {
  owner: string;
  /** When the token ends, by the server's clock. */
  expires: number;
}

export interface Said {
  who?: Identity;
  /** It is good for nothing: not now, and not later. */
  refused: boolean;
}

export type Ask = (token: string, patience: number) => Promise<Said>;

/** Asks the server. It may not answer. */
export const askWho: Ask = async (token, patience) => {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch('api/v1/me', { headers, signal: AbortSignal.timeout(patience) }).catch(() => undefined);
  const said = (await answer?.json().catch(() => undefined)) as { user_id: string; organization_id: string; expires_at: number; code?: string } | undefined;
  if (answer?.ok && said) return { who: { owner: ownerOf(said.organization_id, said.user_id), expires: said.expires_at }, refused: false };
  // One that is not valid yet may be when it is needed.
  return { refused: (answer?.status === 401 || answer?.status === 403) && said?.code !== 'TOKEN_NOT_YET_VALID' };
};
