import { useState } from 'react';
import { Crosshair, MapPinOff, MessageSquare, X } from 'lucide-react';
import type { Fleet } from '../fleet/fleet';
import { ageOf, freshness, FRESHNESS_WORD } from '../fleet/age';
import { useFleetAgent } from '../fleet/hooks';
import { placed } from '../fleet/place';
import { coordinates, heading, known, metres, percent, speed, span, ABSENT, clockSeconds } from '../lib/format';
import { useNow } from '../lib/hooks';
import { Name } from '../lib/Bidi';
import { named } from '../lib/plain';
import { Button, IconButton } from '../ui/Button';
import css from './agents.module.css';
import { useRefused, whyRefused } from './useRefused';

interface Props {
  fleet: Fleet;
  id: string;
  following: boolean;
  onFollow: (on: boolean) => void;
  onClose: () => void;
  /** Absent where there is nobody to write to. */
  onMessage?: (id: string) => Promise<void>;
  children: React.ReactNode;
}

/** All that is known of one agent. */
export function AgentCard({ fleet, id, following, onFollow, onClose, onMessage, children }: Props) {
  const agent = useFleetAgent(fleet, id);
  const refused = useRefused(id);
  const now = useNow(1000, fleet);
  const [opening, setOpening] = useState(false);
  const fix = agent?.fix;
  const fresh = agent ? freshness(agent, now) : 'unknown';
  const old = agent && ageOf(agent, now);
  const lost = fix !== undefined && !placed(fix);
  const message = async () => {
    setOpening(true);
    try {
      await onMessage?.(id);
    } finally {
      setOpening(false);
    }
  };
  return (
    <aside className={css.card} aria-label={`Agent ${named(id)}`}>
      <header className={css.cardHead}>
        <div>
          <h2 title={named(id) === id ? id : `${named(id)} (${id})`}><Name id={id} /></h2>
          <p className={css.status} data-freshness={fresh}>
            <i className={css.dot} data-freshness={fresh} aria-hidden />
            {agent ? FRESHNESS_WORD[fresh] : 'Not on the map now'}
            {fix && <span className="num">· {old !== undefined && fresh !== 'live' ? `${span(old)} ago, at ` : ''}{clockSeconds(fix.time)}</span>}
          </p>
        </div>
        <IconButton label="Close" onClick={onClose}><X size={17} /></IconButton>
      </header>
      {lost && <p className={css.notice} role="status"><MapPinOff size={15} aria-hidden /> Position unknown: the device sends 0, 0 and no accuracy</p>}
      {refused && (
        <p className={css.refused} role="status">
          {refused.count === 1 ? '1 position was' : `${refused.count} positions were`} refused, the last at {clockSeconds(refused.last_at)}: {whyRefused(refused)}.
        </p>
      )}
      <div className={css.actions}>
        <Button icon={<Crosshair size={15} />} aria-pressed={following} disabled={!fix || lost} onClick={() => onFollow(!following)}>
          {following ? 'Following' : 'Follow'}
        </Button>
        {onMessage && <Button icon={<MessageSquare size={15} />} disabled={opening} onClick={() => void message()}>Message</Button>}
      </div>
      <dl className={css.facts}>
        <Fact name="Speed" value={speed(fix?.speed)} />
        <Fact name="Heading" value={heading(fix?.heading)} />
        <Fact name="Accuracy" value={known(fix?.accuracy) === undefined ? ABSENT : `± ${metres(fix?.accuracy)}`} />
        <Fact name="Battery" value={percent(fix?.battery)} />
        <Fact name="Coordinates" value={fix && !lost ? coordinates(fix.lat, fix.lon) : ABSENT} wide />
      </dl>
      {children}
    </aside>
  );
}

function Fact({ name, value, wide = false }: { name: string; value: string; wide?: boolean }) {
  return (
    <div className={wide ? css.wide : undefined}>
      <dt>{name}</dt>
      <dd className="num" data-absent={value === ABSENT || undefined}>{value}</dd>
    </div>
  );
}
