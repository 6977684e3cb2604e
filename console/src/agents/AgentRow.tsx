import { memo } from 'react';
import { MapPinOff } from 'lucide-react';
import type { Agent } from 'fanfare-client';
import { ageOf, freshness, FRESHNESS_WORD } from '../fleet/age';
import { NOWHERE, placed } from '../fleet/place';
import { ABSENT, age, known, metres } from '../lib/format';
import { Battery } from './Battery';
import { Name } from './Name';
import type { Column } from './rows';
import css from './agents.module.css';

interface Props {
  agent: Agent;
  now: number;
  columns: readonly Column[];
  top: number;
  selected: boolean;
  position: number;
  of: number;
  onSelect: (id: string) => void;
}

export const AgentRow = memo(function AgentRow({ agent, now, columns, top, selected, position, of, onSelect }: Props) {
  const { agentId, fix } = agent;
  const fresh = freshness(agent, now);
  const old = ageOf(agent, now);
  const speed = known(fix?.speed);
  const lost = fix !== undefined && !placed(fix);
  return (
    <div
      id={`agent-${agentId}`} role="option" aria-selected={selected} aria-posinset={position} aria-setsize={of}
      className={css.row} style={{ transform: `translateY(${top}px)` }} data-freshness={fresh} onClick={() => onSelect(agentId)}
    >
      <span className={css.name}>
        <i className={css.dot} data-freshness={fresh} aria-hidden />
        <Name id={agentId} />
        {lost && <MapPinOff size={13} className={css.lost} aria-hidden><title>{NOWHERE}</title></MapPinOff>}
        <span className="sr">, {FRESHNESS_WORD[fresh]}{lost && `, ${NOWHERE}`}</span>
      </span>
      {columns.includes('speed') && <span className="num">{speed === undefined ? ABSENT : <>{Math.round(speed * 3.6)}<small> km/h</small></>}</span>}
      {columns.includes('accuracy') && <span className="num">{metres(fix?.accuracy)}</span>}
      {columns.includes('battery') && <span className="num"><Battery percent={fix?.battery} /></span>}
      <span className="num">{old === undefined ? ABSENT : age(old)}</span>
    </div>
  );
});
