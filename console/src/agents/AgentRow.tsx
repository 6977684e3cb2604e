import { memo } from 'react';
import type { Agent } from 'fanfare-client';
import { ageOf, freshness, FRESHNESS_WORD } from '../fleet/age';
import { ABSENT, age, metres } from '../lib/format';
import { Battery } from './Battery';
import { Name } from './Name';
import css from './agents.module.css';

interface Props {
  agent: Agent;
  now: number;
  top: number;
  selected: boolean;
  position: number;
  of: number;
  onSelect: (id: string) => void;
}

export const AgentRow = memo(function AgentRow({ agent, now, top, selected, position, of, onSelect }: Props) {
  const { agentId, fix } = agent;
  const fresh = freshness(agent, now);
  const old = ageOf(agent, now);
  return (
    <div
      id={`agent-${agentId}`} role="option" aria-selected={selected} aria-posinset={position} aria-setsize={of}
      className={css.row} style={{ transform: `translateY(${top}px)` }} data-freshness={fresh} onClick={() => onSelect(agentId)}
    >
      <span className={css.name}>
        <i className={css.dot} data-freshness={fresh} aria-hidden />
        <Name id={agentId} />
        <span className="sr">, {FRESHNESS_WORD[fresh]}</span>
      </span>
      <span className="num">{fix?.speed === undefined ? ABSENT : <>{Math.round(fix.speed * 3.6)}<small> km/h</small></>}</span>
      <span className="num">{metres(fix?.accuracy)}</span>
      <span className="num"><Battery percent={fix?.battery} /></span>
      <span className="num">{old === undefined ? ABSENT : age(old)}</span>
    </div>
  );
});
