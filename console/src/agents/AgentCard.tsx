import { useState } from 'react';
import { Crosshair, MessageSquare, X } from 'lucide-react';
import type { Fleet } from '../fleet/fleet';
import { ageOf, freshness, FRESHNESS_WORD } from '../fleet/age';
import { useFleetAgent } from '../fleet/hooks';
import { coordinates, heading, metres, percent, speed, span, ABSENT, clockSeconds } from '../lib/format';
import { useNow } from '../lib/hooks';
import { Button, IconButton } from '../ui/Button';
import css from './agents.module.css';

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
  const now = useNow(1000);
  const [opening, setOpening] = useState(false);
  const fix = agent?.fix;
  const fresh = agent ? freshness(agent, now) : 'unknown';
  const old = agent && ageOf(agent, now);
  const message = async () => {
    setOpening(true);
    try {
      await onMessage?.(id);
    } finally {
      setOpening(false);
    }
  };
  return (
    <aside className={css.card} aria-label={`Agent ${id}`}>
      <header className={css.cardHead}>
        <div>
          <h2 title={id}>{id}</h2>
          <p className={css.status} data-freshness={fresh}>
            <i className={css.dot} data-freshness={fresh} aria-hidden />
            {agent ? FRESHNESS_WORD[fresh] : 'Not on the map now'}
            {fix && <span className="num">· {old !== undefined && fresh !== 'live' ? `${span(old)} ago, at ` : ''}{clockSeconds(fix.time)}</span>}
          </p>
        </div>
        <IconButton label="Close" onClick={onClose}><X size={17} /></IconButton>
      </header>
      <div className={css.actions}>
        <Button icon={<Crosshair size={15} />} aria-pressed={following} disabled={!fix} onClick={() => onFollow(!following)}>
          {following ? 'Following' : 'Follow'}
        </Button>
        {onMessage && <Button icon={<MessageSquare size={15} />} disabled={opening} onClick={() => void message()}>Message</Button>}
      </div>
      <dl className={css.facts}>
        <Fact name="Speed" value={speed(fix?.speed)} />
        <Fact name="Heading" value={heading(fix?.heading)} />
        <Fact name="Accuracy" value={fix?.accuracy === undefined ? ABSENT : `± ${metres(fix.accuracy)}`} />
        <Fact name="Battery" value={percent(fix?.battery)} />
        <Fact name="Coordinates" value={fix ? coordinates(fix.lat, fix.lon) : ABSENT} wide />
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
