//! Accounts and sessions: register, sign in, sign out, devices, people.

pub(crate) mod password;
mod throttle;
mod ticket;
mod token;

use crate::bus::Stored;
use crate::clock::now;
use crate::error::Error;
use crate::rates::Action;
use crate::settings::Registration;
use crate::store::{NewAccount, NewSession, TOUCH_EVERY};
use crate::{Chat, Identity, Result};
use protocol::rest::{Me, PatchMe, Register, Session, SignIn, SignedIn, Ticket};
use protocol::{ConversationId, FieldError, SessionId, User, UserId, limits};
use std::net::IpAddr;

pub(crate) use password::Passwords;
pub(crate) use throttle::Throttle;
pub(crate) use ticket::Tickets;

/// Longest name of a device that is kept, in characters.
const DEVICE_CHARS: usize = 200;

/// Languages of the interface.
const LOCALES: [&str; 2] = ["en", "zh-CN"];

fn check_username(name: &str) -> Option<FieldError> {
    let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
    let message = if !limits::USERNAME_CHARS.contains(&name.chars().count()) {
        "must have 2 to 32 characters"
    } else if !name.chars().all(allowed) {
        "may have only a-z, 0-9, '.', '_' and '-'"
    } else {
        return None;
    };
    Some(FieldError { field: "username".to_owned(), message: message.to_owned() })
}

fn check_password(password: &str) -> Option<FieldError> {
    if limits::PASSWORD_CHARS.contains(&password.chars().count()) {
        return None;
    }
    let message = "must have 8 to 256 characters".to_owned();
    Some(FieldError { field: "password".to_owned(), message })
}

/// A name to show: trimmed, one line, 1 to 64 characters.
fn check_display_name(name: &str) -> Result<String, FieldError> {
    let name = name.trim();
    let message = if name.is_empty() {
        "must not be empty"
    } else if name.chars().count() > limits::DISPLAY_NAME_CHARS {
        "must have at most 64 characters"
    } else if name.chars().any(char::is_control) {
        "must be one line"
    } else {
        return Ok(name.to_owned());
    };
    Err(FieldError { field: "display_name".to_owned(), message: message.to_owned() })
}

impl Chat {
    /// Creates an account and signs it in. `address`: as at [`sign_in`](Self::sign_in).
    pub async fn register(&self, new: Register, device: &str, address: IpAddr) -> Result<SignedIn> {
        if self.inner.registration == Registration::Closed {
            return Err(Error::Forbidden("This server does not take new accounts."));
        }
        let username = new.username.trim().to_ascii_lowercase();
        let mut errors: Vec<_> =
            check_username(&username).into_iter().chain(check_password(&new.password)).collect();
        let display_name = match new.display_name.as_deref().filter(|name| !name.trim().is_empty()) {
            Some(name) => check_display_name(name).unwrap_or_else(|error| {
                errors.push(error);
                String::new()
            }),
            None => username.clone(),
        };
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        let turn = self
            .inner
            .throttle
            .admit_newcomer(address)
            .await
            .inspect_err(|_| self.inner.metrics.limited_sign_ins.inc())?;
        let password = self.inner.passwords.hash(new.password).await?;
        drop(turn);
        let (token, token_hash) = token::draw();
        let id = UserId::generate();
        let account = NewAccount { id, username, display_name, password, created_at: now() };
        let session = new_session(id, token_hash, device);
        if !self.inner.stores.accounts.create_account(account, session).await? {
            return Err(Error::Conflict("This user name is taken."));
        }
        Ok(SignedIn { user: self.user(id).await.map_err(Error::after_commit)?, token })
    }

    /// Opens a session. An unknown name and a wrong password get the same answer after the same work.
    pub async fn sign_in(&self, asked: SignIn, device: &str, address: IpAddr) -> Result<SignedIn> {
        let username = asked.username.trim().to_ascii_lowercase();
        // What cannot be a name is one name to the throttle, so that its memory cannot be filled with them.
        let name = if check_username(&username).is_none() { username.as_str() } else { "" };
        let attempt = self
            .inner
            .throttle
            .admit(name, address)
            .await
            .inspect_err(|_| self.inner.metrics.limited_sign_ins.inc())?;
        let found = self.inner.stores.accounts.credentials(&username).await?;
        let (id, password) = match found {
            Some((id, password)) => (Some(id), Some(password)),
            None => (None, None),
        };
        let fits = self.inner.passwords.verify(asked.password, password).await?;
        let Some(id) = id.filter(|_| fits) else {
            attempt.failed();
            return Err(Error::Unauthorized);
        };
        attempt.succeeded();
        let (token, token_hash) = token::draw();
        self.inner.stores.accounts.create_session(new_session(id, token_hash, device)).await?;
        Ok(SignedIn { user: self.user(id).await.map_err(Error::after_commit)?, token })
    }

    /// Whose session a token opens, if any.
    pub async fn authenticate(&self, token: &str) -> Result<Option<Identity>> {
        let Some(hash) = token::hash(token) else { return Ok(None) };
        let Some(found) = self.inner.stores.accounts.session_by_token(&hash).await? else { return Ok(None) };
        let now = now();
        if now.millis() - found.last_used_at.millis() > TOUCH_EVERY.as_millis() as i64 {
            let accounts = self.inner.stores.accounts.clone();
            self.note("the use of a session", async move { accounts.touch_session(found.id, now).await });
        }
        Ok(Some(Identity { user: found.account, session: found.id }))
    }

    /// Ends the asker's own session.
    pub async fn sign_out(&self, who: Identity) -> Result<()> {
        self.revoke(who, who.session).await
    }

    /// The asker's devices, newest first.
    pub async fn sessions(&self, who: Identity) -> Result<Vec<Session>> {
        let mut sessions = self.inner.stores.accounts.sessions(who.user).await?;
        for session in &mut sessions {
            session.current = session.id == who.session;
        }
        Ok(sessions)
    }

    /// Ends one of the asker's sessions and closes its sockets.
    pub async fn revoke(&self, who: Identity, session: SessionId) -> Result<()> {
        // By a task of its own: whoever asks may be gone before it is told everywhere.
        let inner = self.inner.clone();
        let ending = self.inner.tasks.spawn(async move {
            let ended = inner.stores.accounts.delete_session(who.user, session).await?;
            let token = Some(ended.ok_or(Error::NotFound)?);
            inner.bus.publish(Stored::Ended { user: who.user, session, token }).await;
            Ok(())
        });
        ending.await.unwrap_or(Err(Error::Internal))
    }

    /// A one-time ticket for a socket, for clients that can send neither cookie nor header.
    pub fn ticket(&self, who: Identity) -> Result<Ticket> {
        self.inner.rates.check(Action::Ticket, who.user)?;
        Ok(self.inner.tickets.issue(who))
    }

    /// Whose ticket this is, if it is one; it is void afterwards.
    pub async fn redeem(&self, ticket: &str) -> Result<Option<Identity>> {
        let Some((who, ticket)) = self.inner.tickets.redeem(ticket) else { return Ok(None) };
        self.inner.bus.publish(Stored::Redeemed { ticket }).await;
        Ok(self.inner.stores.accounts.session_exists(who.session).await?.then_some(who))
    }

    /// Whether new accounts are taken.
    pub fn registration(&self) -> Registration {
        self.inner.registration
    }

    /// Refuses everybody but the administrator: as long as people have no roles, whoever made the first account.
    pub async fn admit_admin(&self, who: Identity) -> Result<()> {
        if self.inner.stores.accounts.first_account().await? == Some(who.user) {
            return Ok(());
        }
        Err(Error::Forbidden("Only the administrator of this server may see this."))
    }

    /// The asker's own account.
    pub async fn me(&self, who: Identity) -> Result<Me> {
        let mut me = self.inner.stores.accounts.me(who.user).await?.ok_or(Error::Unauthorized)?;
        self.fill_presence(&mut me.user).await;
        Ok(me)
    }

    /// Changes what is named of the asker's own account.
    pub async fn update_me(&self, who: Identity, patch: PatchMe) -> Result<Me> {
        self.inner.rates.check(Action::Settings, who.user)?;
        let name = match patch.display_name {
            Some(name) => Some(check_display_name(&name).map_err(|error| Error::Invalid(vec![error]))?),
            None => None,
        };
        let locale = match patch.locale {
            Some(locale) if locale.is_empty() => Some(None),
            Some(locale) if LOCALES.contains(&locale.as_str()) => Some(Some(locale)),
            Some(_) => return Err(Error::invalid("locale", "must be en, zh-CN or empty")),
            None => None,
        };
        self.inner.stores.accounts.update_me(who.user, name, locale).await?;
        self.me(who).await
    }

    /// People whose name or user name contains `q`, at most [`limits::PEOPLE`]; never the asker.
    pub async fn search_people(&self, who: Identity, q: &str) -> Result<Vec<User>> {
        self.search(who, q, None).await
    }

    /// The same among the members of one of the asker's conversations.
    pub async fn search_members(&self, who: Identity, id: ConversationId, q: &str) -> Result<Vec<User>> {
        self.my_role(who, id).await?;
        self.search(who, q, Some(id)).await
    }

    async fn search(&self, who: Identity, q: &str, within: Option<ConversationId>) -> Result<Vec<User>> {
        let q: String = q.trim().chars().take(limits::DISPLAY_NAME_CHARS).collect();
        let mut users = self.inner.stores.accounts.search_users(&q, who.user, within, limits::PEOPLE).await?;
        self.fill_presences(&mut users).await;
        Ok(users)
    }

    /// One person.
    pub async fn person(&self, _who: Identity, id: UserId) -> Result<User> {
        self.user(id).await
    }

    /// The people of these ids; unknown ones, and those beyond [`limits::PEOPLE_IDS`], are left out.
    pub async fn people(&self, _who: Identity, ids: &[UserId]) -> Result<Vec<User>> {
        let ids = &ids[..ids.len().min(limits::PEOPLE_IDS)];
        let mut users = self.inner.stores.accounts.users(ids).await?;
        self.fill_presences(&mut users).await;
        Ok(users)
    }

    pub(crate) async fn user(&self, id: UserId) -> Result<User> {
        let mut user = self.inner.stores.accounts.users(&[id]).await?.pop().ok_or(Error::NotFound)?;
        self.fill_presence(&mut user).await;
        Ok(user)
    }
}

fn new_session(account: UserId, token_hash: [u8; 32], device: &str) -> NewSession {
    let device = device.chars().filter(|c| !c.is_control()).take(DEVICE_CHARS).collect();
    NewSession { id: SessionId::generate(), token_hash, account, device, created_at: now() }
}
