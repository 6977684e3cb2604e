import { useId, type InputHTMLAttributes, type ReactNode, type TextareaHTMLAttributes } from 'react';
import { Search, X } from 'lucide-react';
import css from './ui.module.css';

interface Shared {
  label: string;
  help?: ReactNode;
  error?: string | undefined;
}

export function TextField({ label, help, error, className, ...rest }: Shared & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <div className={css.field}>
      <label htmlFor={id}>{label}</label>
      <input id={id} className={joined(className)} aria-invalid={error ? true : undefined} aria-describedby={`${id}-help`} {...rest} />
      <small id={`${id}-help`} className={error ? css.error : undefined}>{error ?? help}</small>
    </div>
  );
}

export function TextArea({ label, help, error, className, ...rest }: Shared & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId();
  return (
    <div className={css.field}>
      <label htmlFor={id}>{label}</label>
      <textarea id={id} className={joined(className)} aria-invalid={error ? true : undefined} aria-describedby={`${id}-help`} {...rest} />
      <small id={`${id}-help`} className={error ? css.error : undefined}>{error ?? help}</small>
    </div>
  );
}

/** The field's own look, and what its place adds to it. */
const joined = (className = '') => `${css.input} ${className}`.trimEnd();

interface SearchProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
}

export function SearchField({ label, value, onChange }: SearchProps) {
  return (
    <div className={css.search}>
      <Search size={14} aria-hidden />
      <input
        type="text" inputMode="search" role="searchbox" aria-label={label} placeholder={label} value={value} autoComplete="off" spellCheck={false}
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => { if (event.key === 'Escape' && value) { event.stopPropagation(); onChange(''); } }}
      />
      {value && <button type="button" aria-label="Clear" onClick={() => onChange('')}><X size={13} /></button>}
    </div>
  );
}
