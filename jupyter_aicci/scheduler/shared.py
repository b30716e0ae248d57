class Standing:
    shared = False
    reclaims = False

    def may_start(self, session, at):
        return None

    def may_reclaim(self, session, at):
        return False

    def started(self, at, placement):
        pass


def standing_of(session):
    return Standing()
